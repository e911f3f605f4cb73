"""The shop's own processes: started as `valerix run KEY`, supervised, and stopped together."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.child_guard import Child
from fleet.run_dir import ROOT, RunDirectory
from topology import Process

# A log past this is put aside, so a forgotten shop cannot fill the disk: two of them at most.
_LOG_LIMIT_BYTES = 64 * 1024 * 1024
_SHOWN_LINES = 12
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
        self.child: Child | None = None

    def start(self) -> None:
        """Start it with a log that begins afresh."""
        self.put_log_aside()
        self.child = Child(
            self._argv,
            log=self.log,
            if_orphaned=self._if_orphaned,
            environ=self._environ,
        )

    def put_log_aside(self) -> None:
        """Make room for the next log; the last one stays beside it."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))

    def ended(self) -> int | None:
        """Its exit code, once it has one."""
        return self.child.poll() if self.child else None

    def log_tail(self) -> str:
        """The end of its log, which says why it died."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line[:400]}" for line in lines[-_SHOWN_LINES:]) or "    (no output)"

    def trim_log(self) -> None:
        """Put an oversized log aside. It is open for appending, so it goes on at the start."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)


def python_command(module: str, *arguments: str) -> list[str]:
    """Runs a module of ours, not one of that name in the current folder (-P)."""
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for it: its modules are those of this checkout, its text is UTF-8, and
    nothing of the caller's runs before it or stays open after it."""
    kept = {name: value for name, value in environ.items() if name not in _CALLERS}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


class FleetProcess(Supervised):
    """One process of the fleet and where it is reached."""

    def __init__(
        self, process: Process, url: str, home: RunDirectory, environ: Mapping[str, str]
    ) -> None:
        argv = python_command("cli", "run", process.key)
        super().__init__(process.name, argv, home.log(process.key), environ)
        self.process, self.url = process, url


def stop(services: Sequence[Supervised], grace_s: float) -> list[str]:
    """Ask all at once to stop, wait once for all, kill the rest; the names of those it killed."""
    running = [service.child for service in services if service.child and service.ended() is None]
    for child in running:
        child.send(signal.SIGTERM)
    end = time.monotonic() + grace_s
    for child in running:
        child.wait(max(0.0, end - time.monotonic()))
    stubborn = [service for service in services if service.child and service.ended() is None]
    for service in services:
        if service.child:
            service.child.kill()
    return [service.name for service in stubborn]


def describe_exit(code: int) -> str:
    """An exit code for a reader: the number, or the signal that ended the process."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
