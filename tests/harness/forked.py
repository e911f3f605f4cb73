"""The processes of the shop, each forked from one that has imported all they need.

Most of what a start costs is one interpreter after the other reading the same modules. A fork is
the same command in a process of its own, past that; tests/fleet starts the command itself."""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from cli.main import main
from fleet import child_guard
from fleet.children import FleetProcess
from topology import PROCESSES

# What a process imports only once it runs; the first is Litestar's own, wherever pydantic is
# installed, which it is beside the tests.
_LATER = (
    "litestar.plugins.pydantic",
    "litestar.plugins.attrs",
    "jsonschema_rs",
    "gateways.stripe_api",
)
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [__name__, "fleet.run", "uvloop", *(f"{process.package}.app" for process in PROCESSES), *_LATER]
)


class ForkedService(FleetProcess):
    """`valerix run KEY` without the second it takes to begin."""

    def start(self) -> None:
        self.put_log_aside()
        self.child = _Fork(self.process.key, self.log, self._environ)


class _Fork:
    """As `fleet.child_guard.Child`."""

    def __init__(self, key: str, log: Path, environ: Mapping[str, str]) -> None:
        self._process = _CONTEXT.Process(target=_run, args=(key, log, dict(environ)), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        self._process.join(seconds)
        return self.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _run(key: str, log: Path, environ: dict[str, str]) -> None:
    """The whole life of one process."""
    if tie := child_guard.when_parent_dies(signal.SIGKILL, os.getppid()):
        tie()
    os.setpgid(0, 0)  # Ctrl-C at a terminal is for whoever runs the tests
    with log.open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    os.environ.clear()
    os.environ.update(environ)
    main(["run", key])
