"""The last minutes of one service's counters, and its traffic in the last thirty seconds."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise

from msgspec import Struct

from observatory.metrics.prometheus_text import Series
from observatory.sla import NOT_BUSINESS, PENDING, Traffic, is_failed

SUM, COUNT = "http_request_duration_seconds_sum", "http_request_duration_seconds_count"
REQUESTS = "http_requests_total"
_NOT_BUSINESS = re.compile(NOT_BUSINESS)
# Fifteen minutes at one scrape every two seconds: as far back as the charts reach.
LENGTH = 450


class Scrape(Struct, frozen=True):
    """One reading of a service's counters; `at` is monotonic seconds."""

    at: float
    values: dict[Series, float]


class CounterWindow:
    """A bounded number of scrapes."""

    def __init__(self, length: int = LENGTH) -> None:
        self._scrapes: deque[Scrape] = deque(maxlen=length)

    def add(self, scrape: Scrape) -> None:
        """Keep a scrape; the oldest one makes room."""
        self._scrapes.append(scrape)

    @property
    def newest(self) -> Scrape | None:
        """The last scrape, whatever its age."""
        return self._scrapes[-1] if self._scrapes else None

    def increase(self, wanted: Callable[[Series], bool], since: float) -> float:
        """How much the wanted counters grew in all scrapes taken after `since`.

        As Prometheus does it: between neighbouring samples, where a value that fell means that
        the process restarted and counts from zero. Unlike it, a series that appears between two
        scrapes counts from zero too: it did not exist, so it had not counted anything."""
        grown = 0.0
        for before, after in self._steps(since):
            for series, value in after.values.items():
                if wanted(series):
                    old = before.values.get(series, 0.0)
                    grown += value - old if value >= old else value
        return grown

    def traffic(self, now: float, window_s: float) -> Traffic:
        """rate(sum[30s]) / rate(count[30s]) over business routes; what failed and what waits."""
        since = now - window_s
        requests = self.increase(lambda s: s.name == COUNT and is_business(s), since)
        seconds = self.increase(lambda s: s.name == SUM and is_business(s), since)
        errors = self.increase(lambda s: _counts(s) and is_failure(s), since)
        pending = self.increase(lambda s: _counts(s) and s.label("status_code") == PENDING, since)
        steps = list(self._steps(since))
        span_s = steps[-1][1].at - steps[0][0].at if steps else 0.0
        return Traffic(
            requests=requests,
            errors=errors,
            per_second=requests / span_s if span_s else 0.0,
            average_s=seconds / requests if requests else None,
            pending=pending,
        )

    def _steps(self, since: float) -> Iterator[tuple[Scrape, Scrape]]:
        inside = [scrape for scrape in self._scrapes if scrape.at > since]
        return pairwise(inside)


def is_business(series: Series) -> bool:
    """Whether the series counts business requests."""
    return _NOT_BUSINESS.match(series.label("path")) is None


def _counts(series: Series) -> bool:
    return series.name == REQUESTS and is_business(series)


def is_failure(series: Series) -> bool:
    """Whether the series counts requests that failed."""
    return is_failed(series.label("status_code"))
