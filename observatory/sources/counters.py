"""Computes light, charts and stock from counters, wherever the counters were read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from observatory.metrics import counter_window
from observatory.metrics.counter_window import CounterWindow, Scrape
from observatory.metrics.history import BUCKET, CountedInterval, Exemplar, History, Point
from observatory.metrics.prometheus_text import Series
from observatory.sla import WINDOW_S, Traffic
from observatory.sources.down import Down

STILL = "Orders go on; only the measurements are missing."
STOCK = "valerix_stock_units"
BITES = "valerix_gremlin_bites_total"
# Of the payment service by account, and of the wallets' only account.
BREAKERS = frozenset({"valerix_breaker_state", "valerix_wallet_breaker_state"})
FAMILIES = BREAKERS | {
    counter_window.SUM,
    counter_window.COUNT,
    counter_window.REQUESTS,
    STOCK,
    BITES,
    BUCKET,
}


class Counters(ABC):
    """A `MetricsSource` over readings of counters: the same code wherever they were read.

    `clock` times the readings; `epoch` is what to add to it for seconds since the epoch, which the
    charts and the gremlins use."""

    def __init__(
        self,
        services: Iterable[str],
        clock: Callable[[], float],
        *,
        epoch: float,
        window_s: float = WINDOW_S,
    ) -> None:
        self._clock, self._epoch, self._window_s = clock, epoch, window_s
        self._windows = {service: CounterWindow() for service in services}
        self._histories = {service: History() for service in self._windows}

    @abstractmethod
    def down(self, service: str) -> Down | None:
        """Why the last reading of a service cannot be trusted; None while it can."""

    def take(
        self, service: str, at: float, values: Mapping[Series, float], *, rested: bool = False
    ) -> Scrape:
        """Keep one reading; `at` only goes forward. `rested`: it could have been taken earlier."""
        # Fifteen minutes of every bucket would be tens of megabytes; the history folds them.
        kept = {series: value for series, value in values.items() if series.name != BUCKET}
        scrape = Scrape(at, kept)
        self._windows[service].add(scrape)
        self._histories[service].add(at, values, rested=rested)
        return scrape

    def add_exemplars(self, service: str, found: Mapping[Series, Exemplar]) -> None:
        """Keep exemplars that are new."""
        self._histories[service].add_exemplars(found)

    def newest_at(self, service: str) -> float | None:
        """When the last reading was taken, by `clock`."""
        newest = self._windows[service].newest
        return None if newest is None else newest.at

    def traffic(self, service: str) -> Traffic | Down:
        """Business requests of the last `window_s`: thirty seconds, less in a quick act."""
        return self.down(service) or self._windows[service].traffic(self._clock(), self._window_s)

    def stock(self) -> dict[str, dict[str, int]] | Down:
        """Units by product and state, from the last reading of the inventory service."""
        if (down := self.down("inventory")) is not None:
            return down
        units: dict[str, dict[str, int]] = {}
        for series, value in self._newest("inventory").items():
            if series.name == STOCK:
                units.setdefault(series.label("product"), {})[series.label("state")] = int(value)
        return units

    def bites(self, service: str) -> dict[str, int]:
        """Bites by gremlin name since the counting began."""
        if self.down(service) is not None:
            return {}
        return {
            series.label("gremlin"): int(value)
            for series, value in self._newest(service).items()
            if series.name == BITES
        }

    def breakers(self, service: str) -> dict[str, bool]:
        """Whether each breaker is open, by account; one without an account is called ""."""
        if self.down(service) is not None:
            return {}
        return {
            series.label("provider"): value > 0
            for series, value in self._newest(service).items()
            if series.name in BREAKERS
        }

    def points(self, service: str, moments: Sequence[float]) -> list[Point]:
        """The service at each moment; seconds since the epoch."""
        history = self._histories[service]
        return [history.point(moment - self._epoch) for moment in moments]

    def exemplars(self, service: str, since: float, until: float) -> list[Exemplar]:
        """Requests with a trace that became known after `since`, up to `until`."""
        return self._histories[service].exemplars(since, until)

    def intervals(self, service: str, moments: Sequence[float]) -> list[CountedInterval]:
        """What was counted between each two moments; seconds since the epoch."""
        history, ours = self._histories[service], [each - self._epoch for each in moments]
        return [history.interval(since, until) for since, until in pairwise(ours)]

    def failures(self, service: str, since: float, until: float) -> float:
        """Requests that failed between two moments."""
        return self._histories[service].failures(since - self._epoch, until - self._epoch)

    def _newest(self, service: str) -> Mapping[Series, float]:
        newest = self._windows[service].newest
        return {} if newest is None else newest.values
