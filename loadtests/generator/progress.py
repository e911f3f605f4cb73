"""How the run is doing: a line now and then for a person, and once a second a file for a page."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import msgspec

from loadtests.generator.collect import ResultCollector
from loadtests.plan import FOR_PEOPLE, LoadPlan
from loadtests.progress_line import line_of, progress_of
from observatory.load_runs import PROGRESS

_LINES = 12
_EVERY_S = 1.0
_LATEST_S = 10.0


def print_line(line: str) -> None:
    """Print a line that the waiting process passes on to the person."""
    print(f"{FOR_PEOPLE}{line}", flush=True)  # noqa: T201 - its reader is a process


def progress(
    plan: LoadPlan, collector: ResultCollector, users: Callable[[], int], folder: Path
) -> None:
    """About a dozen lines a run, and the file."""
    every_s = min(_LATEST_S, max(_EVERY_S, plan.duration_s / _LINES))
    printed_s = collector.began_s
    while True:
        gevent.sleep(_EVERY_S)
        now_s = time.time()
        write_progress(plan, collector, users(), folder)
        if now_s - printed_s >= every_s:
            line = line_of(plan, collector.total, users(), collector.began_s, now_s, every_s)
            print_line(line)
            printed_s = now_s


def write_progress(
    plan: LoadPlan,
    collector: ResultCollector,
    users: int,
    folder: Path,
    *,
    is_over: bool = False,
) -> None:
    """Write it aside and rename it, so that no reader sees half of it."""
    found = progress_of(
        plan, collector.total, users, collector.began_s, time.time(), is_over=is_over
    )
    aside = folder / f"{PROGRESS}.{os.getpid()}"
    aside.write_bytes(msgspec.json.encode(found))
    aside.replace(folder / PROGRESS)
