"""Which figures of a period lie outside their own history; pure.

The modified z-score (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993): median and
median absolute deviation, which single bad periods hardly move, and 3.5 as the limit."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import sqrt
from statistics import median

from observatory.retrospective.model import Anomaly
from observatory.retrospective.queries import PeriodCount, PeriodTime

PERIODS = 8
# Of fewer periods nobody can say what is usual; a period of fewer requests says nothing either.
FEWEST_PERIODS, FEWEST_REQUESTS = 4, 20
# Three failures of one kind are no pattern.
FEWEST_FAILURES = 5
LIMIT = 3.5
# 1.4826 deviations around the median are one standard deviation where values are normal.
_TO_STANDARD = 1.4826
# Times that differ by less than a fifth are the machine's mood.
_SMALLEST_SPREAD = 0.2
METHOD = (
    f"Each figure is held against the {PERIODS} periods of the same length before it: the "
    "distance from their median, in units of 1.4826 times their median absolute deviation "
    f"(modified z-score, Iglewicz and Hoaglin 1993). It is an anomaly above {LIMIT} units. A "
    "reason is judged as its share of the requests; its unit is no less than what chance gives "
    f"(the square root of the expected count), and it needs {FEWEST_FAILURES} failures now or "
    "usually. A time's unit is no less than a fifth of its median. At least "
    f"{FEWEST_PERIODS} earlier periods with {FEWEST_REQUESTS} requests are needed, and as many "
    "requests now."
)


def anomalies(counts: Sequence[PeriodCount], times: Sequence[PeriodTime]) -> tuple[Anomaly, ...]:
    """Those of the period 0, the farthest out first."""
    found = [*_reasons(counts), *_times(times)]
    return tuple(sorted(found, key=lambda each: -abs(each.deviations)))


def _reasons(counts: Sequence[PeriodCount]) -> Iterable[Anomaly]:
    for of, several in groupby(sorted(counts, key=lambda each: each.of), lambda each: each.of):
        of_these = list(several)
        totals: dict[int, int] = {}
        for each in of_these:
            totals[each.period] = totals.get(each.period, 0) + each.count
        earlier = [
            period for period, total in totals.items() if period and total >= FEWEST_REQUESTS
        ]
        now = totals.get(0, 0)
        if len(earlier) < FEWEST_PERIODS or now < FEWEST_REQUESTS:
            continue
        for reason in sorted({each.reason for each in of_these if each.reason}):
            by_period = {each.period: each.count for each in of_these if each.reason == reason}
            shares = [by_period.get(period, 0) / totals[period] for period in earlier]
            usual, seen = median(shares) * now, by_period.get(0, 0)
            if max(usual, seen) < FEWEST_FAILURES:
                continue
            unit = max(_spread(shares) * now, sqrt(usual), 1.0)
            yield from _outside(of, reason, "failures", seen, usual, unit, len(earlier))


def _times(times: Sequence[PeriodTime]) -> Iterable[Anomaly]:
    enough = sorted(
        (each for each in times if each.count >= FEWEST_REQUESTS), key=lambda each: each.of
    )
    for of, several in groupby(enough, lambda each: each.of):
        of_these = list(several)
        now = next((each for each in of_these if each.period == 0), None)
        earlier = [each for each in of_these if each.period]
        if now is None or len(earlier) < FEWEST_PERIODS:
            continue
        for what, seen, before in (
            ("P50", now.p50_ms, [each.p50_ms for each in earlier]),
            ("P99", now.p99_ms, [each.p99_ms for each in earlier]),
        ):
            usual = median(before)
            unit = max(_spread(before), _SMALLEST_SPREAD * usual, 1.0)
            yield from _outside(of, what, "ms", seen, usual, unit, len(earlier))


def _outside(
    of: str, what: str, unit: str, now: float, usual: float, deviation: float, periods: int
) -> Iterable[Anomaly]:
    deviations = (now - usual) / deviation
    if abs(deviations) > LIMIT:
        yield Anomaly(
            of=of,
            what=what,
            unit=unit,
            now=round(now, 1),
            usual=round(usual, 1),
            deviations=round(deviations, 1),
            periods=periods,
        )


def _spread(values: Sequence[float]) -> float:
    middle = median(values)
    return _TO_STANDARD * median(abs(each - middle) for each in values)
