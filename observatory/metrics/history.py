"""The last quarter of an hour of one service as points on a chart: rate, errors, quantiles."""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from math import ceil, inf

import msgspec
from msgspec import Struct

from chassis.http.metrics import BUCKETS
from observatory.metrics.counter_window import LENGTH, REQUESTS, is_business, is_failure
from observatory.metrics.prometheus_text import Series
from observatory.metrics.quantile import quantile

BUCKET = "http_request_duration_seconds_bucket"
BOUNDS: tuple[float, ...] = (*BUCKETS, inf)
# Quantiles look back as far as the SLA light, so that the two never contradict each other; a rate
# needs fewer samples to be steady, and should show a change at once.
QUANTILE_WINDOW_S = 30.0
RATE_WINDOW_S = 10.0
# Three scrapes missed: from here on the line has a gap.
GAP_S = 6.0
# What was left alone for no longer than this, because nobody looked, is filled in with as many
# points as it would have had.
_RESTED_S, _STEP_S = 12.0, 2.0
_EXEMPLARS = 1200
_PLACES = {bound: index for index, bound in enumerate(BOUNDS)}


class Totals(Struct, frozen=True):
    """What was counted since reading began; `buckets` are cumulative, in the order of BOUNDS."""

    at: float
    requests: float = 0.0
    errors: float = 0.0
    buckets: tuple[float, ...] = (0.0,) * len(BOUNDS)


class Point(Struct, frozen=True):
    """One service at one moment: per second, and seconds. None where nothing is known."""

    rate: float | None = None
    errors: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class CountedInterval(Struct, frozen=True):
    """A stretch of time: its requests, those that failed, and how many took up to each of BOUNDS
    but longer than the one before."""

    requests: float = 0.0
    errors: float = 0.0
    counts: tuple[float, ...] = (0.0,) * len(BOUNDS)


class Exemplar(Struct, frozen=True):
    """One real request behind a bucket, and the trace that explains it; `seen` when scraped."""

    at: float
    seconds: float
    trace_id: str
    seen: float


class History:
    """Bounded: a scrape is reduced to eighteen numbers, whatever the number of its series.

    Counts are kept as running totals, so a window of any width is one subtraction."""

    def __init__(self, length: int = LENGTH) -> None:
        self._length = length
        self._times: list[float] = []
        self._totals: list[Totals] = []
        self._before: Mapping[Series, float] | None = None
        self._exemplars: deque[Exemplar] = deque(maxlen=_EXEMPLARS)
        self._known: dict[Series, str] = {}

    def add(self, at: float, values: Mapping[Series, float], *, rested: bool = False) -> None:
        """Count what has grown in the scrape at `at` (any clock that only goes forward). `rested`:
        nobody scraped since the last one because nobody looked.

        As in `CounterWindow`: a value that fell means a restart, a series that appears counts from
        zero; but when the counts of the first scrape of all were made is not known."""
        last = self._totals[-1] if self._totals else Totals(at)
        buckets, requests, errors = list(last.buckets), last.requests, last.errors
        for series, value in values.items() if self._before is not None else ():
            if series.name not in (BUCKET, REQUESTS) or not is_business(series):
                continue
            old = (self._before or {}).get(series, 0.0)
            grown = value - old if value >= old else value
            if series.name == REQUESTS:
                requests += grown
                errors += grown if is_failure(series) else 0.0
            elif (place := _place(series)) is not None:
                buckets[place] += grown
        self._before = values
        if rested and at - last.at <= _RESTED_S:
            # What was counted meanwhile is shown where it is seen.
            for n in range(1, ceil((at - last.at) / _STEP_S)):
                self._append(msgspec.structs.replace(last, at=last.at + n * _STEP_S))
        self._append(Totals(at, requests, errors, tuple(buckets)))
        if len(self._times) > 2 * self._length:
            del self._times[: -self._length], self._totals[: -self._length]

    def _append(self, totals: Totals) -> None:
        self._times.append(totals.at)
        self._totals.append(totals)

    def add_exemplars(self, found: Mapping[Series, Exemplar]) -> None:
        """Keep exemplars not seen before: a bucket shows its last one until it gets another."""
        for series, exemplar in found.items():
            if is_business(series) and self._known.get(series) != exemplar.trace_id:
                self._known[series] = exemplar.trace_id
                self._exemplars.append(exemplar)

    def exemplars(self, since: float, until: float) -> list[Exemplar]:
        """Those scraped after `since` and up to `until`."""
        return [each for each in self._exemplars if since < each.seen <= until]

    def point(self, at: float) -> Point:
        """What a chart shows at `at`; nothing where the last scrape is too old."""
        newest = bisect_right(self._times, at) - 1
        if newest < 0 or at - self._times[newest] > GAP_S:
            return Point()
        rate, errors = self._rates(newest, at)
        now, then = self._totals[newest], self._totals[self._oldest(at - QUANTILE_WINDOW_S)]
        grown = [after - before for after, before in zip(now.buckets, then.buckets, strict=True)]
        p50, p90, p99 = (quantile(q, BOUNDS, grown) for q in (0.5, 0.9, 0.99))
        return Point(rate, errors, p50, p90, p99)

    def _rates(self, newest: int, at: float) -> tuple[float | None, float | None]:
        now, then = self._totals[newest], self._totals[self._oldest(at - RATE_WINDOW_S)]
        span_s = now.at - then.at
        if span_s <= 0:
            return None, None
        return (now.requests - then.requests) / span_s, (now.errors - then.errors) / span_s

    def _oldest(self, since: float) -> int:
        """The first scrape after `since`, as `CounterWindow` takes its windows."""
        return min(bisect_right(self._times, since), len(self._times) - 1)

    def interval(self, since: float, until: float) -> CountedInterval:
        """What was counted between two moments."""
        last = bisect_right(self._times, until) - 1
        if last < 0:
            return CountedInterval()
        now, then = self._totals[last], self._totals[max(bisect_right(self._times, since) - 1, 0)]
        below = [after - before for after, before in zip(now.buckets, then.buckets, strict=True)]
        return CountedInterval(
            requests=now.requests - then.requests,
            errors=now.errors - then.errors,
            counts=tuple(max(0.0, here - under) for under, here in pairwise((0.0, *below))),
        )

    def failures(self, since: float, until: float) -> float:
        """Requests that failed between two moments."""
        if not self._times:
            return 0.0
        first = max(bisect_right(self._times, since) - 1, 0)
        last = max(bisect_right(self._times, until) - 1, first)
        return self._totals[last].errors - self._totals[first].errors


def _place(series: Series) -> int | None:
    try:
        return _PLACES.get(float(series.label("le")))
    except ValueError:
        return None
