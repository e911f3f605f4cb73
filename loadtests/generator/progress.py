"""A line now and then for the person who waits for the run."""

import time
from collections.abc import Callable

import gevent

from loadtests.generator.collect import ResultCollector
from loadtests.plan import FOR_PEOPLE, LoadPlan
from loadtests.progress_line import line_of

_LINES = 12
_SOONEST_S, _LATEST_S = 1.0, 10.0


def print_line(line: str) -> None:
    """Print a line that the waiting process passes on to the person."""
    print(f"{FOR_PEOPLE}{line}", flush=True)  # noqa: T201 - its reader is a process


def progress(plan: LoadPlan, collector: ResultCollector, users: Callable[[], int]) -> None:
    """About a dozen lines a run."""
    every_s = min(_LATEST_S, max(_SOONEST_S, plan.duration_s / _LINES))
    while True:
        gevent.sleep(every_s)
        began_s, now_s = collector.began_s, time.time()
        print_line(line_of(plan, collector.total, users(), began_s, now_s, every_s))
