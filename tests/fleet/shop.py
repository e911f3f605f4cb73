"""`valerix up` in a folder of its own, as a person at a terminal would have it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from fleet.ports import free_port
from fleet.run_dir import ROOT, RunDirectory, Running
from topology import PROCESSES

_OPEN_LIMIT_S = 130
_STOP_LIMIT_S = 30
_SEEN_LIMIT_S = 120


class UpShop:
    """One `valerix up`; every process it started is known by pid, so that none can hide."""

    def __init__(
        self,
        home: Path,
        *,
        root: Path = ROOT,
        cwd: Path | None = None,
        umask: int = -1,
        prefix: tuple[str, ...] = (),
        keys: tuple[str, ...] | None = None,
        **environ: str,
    ) -> None:
        """`root` is the checkout that runs, from the folder `cwd`, under a command that is its
        `prefix`, with only the processes `keys`; `environ` wins over what every such shop needs."""
        self.home, self.root = RunDirectory(home), root
        self._cwd, self._umask, self._prefix = cwd or root, umask, prefix
        few = (
            "import click; from fleet.up import Layout, run_shop;"
            f" click.command()(lambda: run_shop(Layout(keys={keys})))([])"
        )
        self._up = ("-m", "cli", "up") if keys is None else ("-c", few)
        self.ports = {process.key: free_port() for process in PROCESSES}
        self._environ = (
            {name: value for name, value in os.environ.items() if not name.startswith("VALERIX_")}
            | {"VALERIX_HOME": str(home), "PYTHONPATH": str(root)}
            | {each: str(free_port()) for process in PROCESSES for each in process.port_variables}
            | {process.port_variable: str(self.ports[process.key]) for process in PROCESSES}
            | environ
        )
        self.output = home.with_name(f"{home.name}.out")
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, key: str, path: str = "") -> str:
        """Where a process answers over HTTP."""
        return f"http://127.0.0.1:{self.ports[key]}{path}"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another `valerix` in another terminal."""
        return self.run("cli", *arguments)

    def follow(self, *arguments: str) -> "subprocess.Popen[str]":
        """One that goes on until it is killed."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            env=self._environ,
            cwd=self._cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A module of the checkout, to its end."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self._environ,
            cwd=self._cwd,
            umask=self._umask,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    def begin(self, *options: str) -> None:
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*self._prefix, sys.executable, *self._up, *options],
                env=self._environ,
                cwd=self._cwd,
                umask=self._umask,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def open(self, *options: str) -> Running:
        """Start it and wait until it has announced itself and printed its addresses."""
        self.begin(*options)
        end = time.monotonic() + _OPEN_LIMIT_S
        while (running := self.home.running()) is None or "stop:  " not in self.printed():
            assert self.poll() is None, f"valerix up ended:\n{self.printed()}"
            assert time.monotonic() < end, f"valerix up is not open:\n{self.printed()}"
            time.sleep(0.05)
        return running

    def poll(self) -> int | None:
        return self._process.poll() if self._process else None

    def family(self) -> list[psutil.Process]:
        """Everything it has started, PostgreSQL's own children included."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def until_child(self, word: str) -> list[psutil.Process]:
        """Wait until a child's command line holds `word`; everything it has started by then."""
        end = time.monotonic() + _OPEN_LIMIT_S
        while True:
            family = self.family()
            if any(word in " ".join(_command(each)) for each in family):
                return family
            assert self.poll() is None, f"valerix up ended:\n{self.printed()}"
            assert time.monotonic() < end, f"there is no {word}:\n{self.printed()}"

    def named(self, word: str) -> psutil.Process:
        """The one direct child whose command line holds `word`."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        (found,) = [each for each in alive(children) if word in each.cmdline()]
        return found

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(_STOP_LIMIT_S)

    def close(self) -> None:
        """Whatever the test left: stop it, then make sure by pid."""
        if self._process is None:
            return
        family = self.family() if self.poll() is None else []
        if self.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self._process.kill()
        for process in alive(family):
            process.kill()

    def printed(self) -> str:
        return self.output.read_text() if self.output.exists() else ""


def seen(shop: UpShop, command: tuple[str, ...], wanted: Callable[[str], bool]) -> str:
    """What the command prints, once that is as wanted."""
    end = time.monotonic() + _SEEN_LIMIT_S
    while True:
        printed = shop.command(*command).stdout
        if wanted(printed) or time.monotonic() > end:
            return printed
        time.sleep(0.5)


def alive(processes: list[psutil.Process], within_s: float = 0.0) -> list[psutil.Process]:
    """Which of them still run after `within_s`; a zombie that only awaits its parent does not."""
    end = time.monotonic() + within_s
    while True:
        running = [each for each in processes if each.is_running() and not _is_zombie(each)]
        if not running or time.monotonic() >= end:
            return running
        time.sleep(0.05)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
