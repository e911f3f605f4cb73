"""Where a run is and how the shop is doing: as a line for whoever waits, and as figures."""

from loadtests.measures import Measures
from loadtests.outcomes import OUTCOMES, WORK
from loadtests.plan import LoadPlan
from loadtests.timeline import Timeline
from observatory.load_runs import LoadProgress

# So long after its second all of it is known: each process is read every second, and workers report
# every three.
_LATE_S, _WORKERS_LATE_S = 1.0, 4.0
_FIGURES_S = 5.0


def line_of(
    plan: LoadPlan, total: Measures, users: int, began_s: float, now_s: float, last_s: float
) -> str:
    """Where the run is, the newest `last_s` seconds that are measured, and the whole so far.

    Moments are seconds since the epoch; a rate is of requests that did not fail, as in the report.
    """
    gone_s = now_s - began_s
    who = f"{users} shopper{'' if users == 1 else 's'}"
    if plan.rate:
        who = f"{plan.arrivals_at(gone_s):.0f} visits/s due"
    begin_s, end_s = _newest_seconds(plan, total.timeline, began_s, now_s, last_s)
    work = total.of(WORK)
    p95 = work.quantile(0.95)
    so_far = f"{work.count} answers" if p95 is None else f"{work.count} answers, p95 {p95:.0f} ms"
    return (
        f"{gone_s:4.0f} s of {plan.duration_s:.0f} s   {who}   "
        f"{_newest(total.timeline, plan.what.unit, begin_s, end_s)}   so far {so_far}"
    )


def progress_of(
    plan: LoadPlan,
    total: Measures,
    users: int,
    began_s: float,
    now_s: float,
    *,
    is_over: bool,
) -> LoadProgress:
    """The same as figures; the rate is of the newest seconds."""
    begin_s, end_s = _newest_seconds(plan, total.timeline, began_s, now_s, _FIGURES_S)
    work, tally = total.of(WORK), total.tally()
    asked, rate = sum(tally.values()), _rate(total.timeline, begin_s, end_s)
    return LoadProgress(
        profile=plan.profile,
        unit=plan.what.unit,
        scale=plan.scale,
        rate=plan.rate,
        began_s=began_s,
        now_s=now_s,
        duration_s=plan.duration_s,
        shoppers=users,
        answers=work.count,
        per_s=None if rate is None else round(rate, 2),
        p50_ms=work.quantile(0.5),
        p95_ms=work.quantile(0.95),
        p99_ms=work.quantile(0.99),
        failed_percent=100 * tally["failed"] / asked if asked else None,
        is_over=is_over,
    )


def _newest_seconds(
    plan: LoadPlan, timeline: Timeline, began_s: float, now_s: float, last_s: float
) -> tuple[float, float]:
    end_s = now_s - (_WORKERS_LATE_S if plan.workers else _LATE_S)
    # In a long run a slot is wider than the time between two lines.
    return max(began_s, end_s - max(last_s, 2 * timeline.width_s)), end_s


def _rate(timeline: Timeline, begin_s: float, end_s: float) -> float | None:
    seconds = timeline.covered_s(begin_s, end_s)
    good = sum(
        slot.count(outcome)
        for slot in timeline.between(begin_s, end_s)
        for outcome in OUTCOMES
        if outcome != "failed"
    )
    return good / seconds if seconds else None


def _newest(timeline: Timeline, unit: str, begin_s: float, end_s: float) -> str:
    seconds = timeline.covered_s(begin_s, end_s)
    if not seconds:
        return f"{unit}/s not known yet"
    slots = timeline.between(begin_s, end_s)
    counts = {outcome: sum(slot.count(outcome) for slot in slots) for outcome in OUTCOMES}
    done = sum(counts.values())
    shares = "".join(
        f"  {outcome} {100 * count / done:.0f} %" for outcome, count in counts.items() if count
    )
    rate = _rate(timeline, begin_s, end_s)
    return f"last {seconds:.1f} s: {rate:.1f} {unit}/s{shares}"
