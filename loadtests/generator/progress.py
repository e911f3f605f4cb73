"""A line now and then for the person who waits: where the run is and how the shop is doing."""

import time
from collections.abc import Callable

import gevent

from loadtests.generator.collect import ResultCollector
from loadtests.outcomes import OUTCOMES, WORK
from loadtests.plan import FOR_PEOPLE, LoadPlan

_LINES = 12
_SOONEST_S, _LATEST_S = 1.0, 10.0
# Workers report every three seconds: a shorter look back would often see nothing.
_WORKERS_S = 4.0


def print_line(line: str) -> None:
    """Print a line that the waiting process passes on to the person."""
    print(f"{FOR_PEOPLE}{line}", flush=True)  # noqa: T201 - its reader is a process


def progress(plan: LoadPlan, collector: ResultCollector, users: Callable[[], int]) -> None:
    """About a dozen lines a run."""
    every_s = min(_LATEST_S, max(_SOONEST_S, plan.duration_s / _LINES))
    begun = time.monotonic()
    while True:
        gevent.sleep(every_s)
        gone_s = time.monotonic() - begun
        print_line(line_of(plan, collector, users(), gone_s, every_s))


def line_of(
    plan: LoadPlan, collector: ResultCollector, users: int, gone_s: float, last_s: float
) -> str:
    """Where the run is, and the last `last_s` seconds of it."""
    now = time.time()
    back_s = max(last_s, _WORKERS_S if plan.workers else 0.0)
    slots = [slot for slot in collector.total.timeline.between(now - back_s - 1, now) if slot.work]
    seconds = max(len(slots) * collector.total.timeline.width_s, 0.1)
    counts = {outcome: sum(slot.count(outcome) for slot in slots) for outcome in OUTCOMES}
    done = sum(counts.values())
    shares = "  ".join(
        f"{outcome} {100 * count / done:.0f} %" for outcome, count in counts.items() if count
    )
    p95 = collector.total.of(WORK).quantile(0.95)
    who = f"{plan.arrivals_at(gone_s):.0f} visits/s due" if plan.rate else f"{users} shoppers"
    return (
        f"{gone_s:4.0f} s of {plan.duration_s:.0f} s   {who}   "
        f"{done / seconds:5.1f} {plan.what.unit}/s   p95 so far {p95 or 0:.0f} ms   {shares}"
    )
