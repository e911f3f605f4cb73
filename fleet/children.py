"""The shop's own processes: started as `valerix run KEY`, supervised, and stopped together."""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path

import msgspec

from fleet.child_guard import AnyChild, Child
from fleet.forks import ForkServer
from fleet.run_dir import ROOT, RunDirectory
from topology import Process

# A log past this is put aside, so a forgotten shop cannot fill the disk.
_LOG_LIMIT_BYTES = 64 * 1024 * 1024
# This start's log and four earlier ones: who starts again does not lose what they look for.
_LOGS = 5
# What the fork server's log is called.
FORK_LOG = "fork-server"
# Writing where each thread stands takes a few milliseconds.
_LAST_LINES_S = 0.5
_SHOWN_LINES = 12
# Far more than a line of our own has; another program's may be a document.
_LINE_CHARS = 2000
# What Python writes of an exception before the line that names it.
_IN_TRACEBACK = re.compile(
    r'Traceback \(most recent call last\)|  File "|    |  [+|] |During handling of the above'
    r"|The above exception was|$"
)
# What a caller's Python does at its start and its end, and how it writes.
_CALLERS = frozenset({"PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONIOENCODING"})


class Supervised:
    """A command that is started, watched and stopped with the shop; its output is its log."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        # At once: what a crash leaves half done, the reconciler finishes.
        if_orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name, self.log = name, log
        self._argv, self._environ, self._if_orphaned = argv, environ, if_orphaned
        self.child: AnyChild | None = None

    def start(self) -> None:
        """Start it with a log that begins afresh."""
        self.put_log_aside()
        self.child = self._begin()

    def _begin(self) -> AnyChild:
        return Child(
            self._argv,
            log=self.log,
            if_orphaned=self._if_orphaned,
            environ=self._environ,
        )

    def put_log_aside(self) -> None:
        """Make room for the next log; the last four stay beside it, the newest as `.log.1`."""
        if not self.log.exists():
            return
        logs = [self.log, *(self.log.with_suffix(f".log.{n}") for n in range(1, _LOGS))]
        for newer, older in reversed(list(pairwise(logs))):
            if newer.exists():
                newer.replace(older)

    def ended(self) -> int | None:
        """Its exit code, once it has one."""
        return self.child.poll() if self.child else None

    def log_tail(self) -> str:
        """The end of its log, which says why it died."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        shown = islice(_newest_first(lines), _SHOWN_LINES)
        return "\n".join(f"    {line}" for line in reversed(list(shown))) or "    (no output)"

    def note(self, text: str) -> None:
        """Add a line of the supervisor's to its log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{self.name} {text}\n")

    def trim_log(self) -> None:
        """Put an oversized log aside. It is open for appending, so it goes on at the start."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)


def _newest_first(lines: list[str]) -> Iterator[str]:
    """The lines from the last to the first; of a traceback only its last line, unless the log ends
    with it."""
    at_end = True
    for number, line in enumerate(reversed(lines)):
        inside = _IN_TRACEBACK.match(line) is not None
        at_end = at_end and (inside or not number)
        if at_end or not inside:
            shown = _without_traceback(line)
            yield shown if len(shown) <= _LINE_CHARS else f"{shown[:_LINE_CHARS]} …"


def _without_traceback(line: str) -> str:
    """A line that is a JSON object holds a whole traceback; its last line says what it was."""
    try:
        fields = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return line
    if not isinstance(fields, dict) or not isinstance(fields.get("exception"), str):
        return line
    fields["exception"] = fields["exception"].rstrip().rpartition("\n")[2]
    return msgspec.json.encode(fields).decode()


def python_command(module: str, *arguments: str) -> list[str]:
    """Runs a module of ours, not one of that name in the current folder (-P)."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for it: its modules are those of this checkout, its text is UTF-8, and
    nothing of the caller's runs before it or stays open after it."""
    kept = {name: value for name, value in environ.items() if name not in _CALLERS}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def run_command(key: str) -> list[str]:
    """Starts the process `key` as `valerix run` does."""
    return python_command("cli", "run", key)


class FleetProcess(Supervised):
    """One process of the fleet, where it is reached, and the command that starts it; `doors` are
    the addresses that customers come to, where they are others. Where there is a `fork_server`, it
    starts it."""

    def __init__(
        self,
        process: Process,
        url: str,
        home: RunDirectory,
        environ: Mapping[str, str],
        argv: Sequence[str] = (),
        doors: Mapping[str, str] | None = None,
        fork_server: ForkServer | None = None,
    ) -> None:
        argv = argv or run_command(process.key)
        super().__init__(process.name, argv, home.log(process.key), environ)
        self._fork_server = fork_server
        self.process, self.url, self.doors = process, url, doors or {}

    def _begin(self) -> AnyChild:
        # Another command, of an unsafe twin say, is another process.
        if self._fork_server is not None and self._argv == run_command(self.process.key):
            how = (self._argv, self.log, self._environ, self._if_orphaned)
            if forked := self._fork_server.fork(self.process.key, *how):
                return forked
            self.note(f"is started without the fork server, which is dead; see {FORK_LOG}.log")
        return super()._begin()


def stop(services: Sequence[Supervised], grace_s: float) -> list[Supervised]:
    """Ask all at once to stop, wait once for all, kill the rest; returns those it killed. What
    they were doing is in their logs."""
    running = [service.child for service in services if service.child and service.ended() is None]
    for child in running:
        child.send(signal.SIGTERM)
    end = time.monotonic() + grace_s
    for child in running:
        child.wait(max(0.0, end - time.monotonic()))
    stubborn = [service for service in services if service.child and service.ended() is None]
    for service in stubborn:
        service.note(f"did not stop {grace_s:.0f} s after SIGTERM and is killed; it was at:")
        if service.child:
            # faulthandler writes where each thread is (fleet/run.py); another program just ends.
            service.child.send(signal.SIGUSR1)
    if stubborn:
        time.sleep(_LAST_LINES_S)
    for service in services:
        if service.child:
            service.child.kill()
    return stubborn


def describe_exit(code: int) -> str:
    """An exit code for a reader: the number, or the signal that ended the process."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
