"""How soon a whole shop takes its first order after `valerix up`, and what it holds in memory."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.shops import proportional_mb
from chassis.http import ask as http
from fleet.ports import free_port
from fleet.run_dir import ROOT, RunDirectory, Running
from topology import PROCESSES

_READY_S = 120
_POLL_S = 0.01
_ORDER = b'{"product_id":"PROD-001","quantity":1}'
# Of the connections that the start has opened, those that nobody needs are closed by then.
_REST_S = 15


def measure(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Medians of `rounds` starts, the one that sets up the database left out: `seconds` from the
    start of the command until it is `open` and until the response to the `first order`, and the
    `memory_mb` of each process at rest, each shared page divided among its sharers."""
    _start(folder)
    seconds, memory = zip(*(_start(folder, _REST_S) for _ in range(rounds)), strict=True)
    return {"seconds": _medians(seconds), "memory_mb": _medians(memory)}


def _medians(found: tuple[dict[str, float], ...]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[tuple[Running, psutil.Process]]:
    """A whole shop with a PostgreSQL of its own, by `valerix up`, and the process of that."""
    home = RunDirectory(folder)
    variables = [each for process in PROCESSES for each in process.port_variables]
    environ = {**os.environ, **{each: str(free_port()) for each in variables}}
    environ |= {"VALERIX_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    environ.pop("VALERIX_DATABASE_URL", None)
    command = [sys.executable, "-P", "-m", "cli", "up"]
    shop = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        yield _opened(home, shop), psutil.Process(shop.pid)
    finally:
        shop.send_signal(signal.SIGTERM)
        shop.wait()


def place_order(running: Running) -> None:
    """One order, and its response."""
    url, headers = f"{running.urls['order']}/orders", {"Content-Type": "application/json"}
    http.ask("POST", url, headers, body=_ORDER, timeout_s=10)


def _start(folder: Path, rest_s: float = 0) -> tuple[dict[str, float], dict[str, float]]:
    begun = time.perf_counter()
    with opened(folder) as (running, supervisor):
        seconds = {"open": time.perf_counter() - begun}
        place_order(running)
        seconds["first order"] = time.perf_counter() - begun
        time.sleep(rest_s)
        return seconds, _memory_mb(supervisor)


def _opened(home: RunDirectory, shop: "subprocess.Popen[bytes]") -> Running:
    end = time.monotonic() + _READY_S
    while (running := home.running()) is None:
        if shop.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the shop did not open")
        time.sleep(_POLL_S)
    return running


def _memory_mb(supervisor: psutil.Process) -> dict[str, float]:
    found = defaultdict[str, float](float, supervisor=proportional_mb(supervisor))
    for process in supervisor.children(recursive=True):
        try:
            found[name_of(process.cmdline())] += proportional_mb(process)
        except psutil.NoSuchProcess:  # a connection that was closed meanwhile
            continue
    return dict(found)


def name_of(command: list[str]) -> str:
    """What a process of the shop is, by its command line."""
    if "run" in command:
        return command[command.index("run") + 1]
    if "fleet.fork_server" in command:
        return "fork server"
    return "envoy" if "envoy" in Path(command[0]).name else "postgres"
