"""Metrics that programs sent over OTLP: the newest values of each series, in bounded memory."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from observatory.store.model import Pairs

# A program has some tens of series, and each is two hundred numbers here: twenty megabytes in all.
MOST_SERIES = 2_000
# A quarter of an hour, as far as the charts reach back, at one every five seconds; a program that
# sends less often, as most do (every minute), is seen for longer.
LENGTH = 180
Kind = Literal["gauge", "counter", "histogram"]


class MetricPoint(Struct, frozen=True):
    """One value of one series. `value` is what a gauge shows, what a counter has counted, or how
    many a histogram has observed; `total` is the sum of these. With `is_delta` both are what was
    added since the point before."""

    service: str
    name: str
    unit: str
    kind: Kind
    labels: Pairs
    at_ns: int
    value: float
    total: float = 0.0
    is_delta: bool = False


class MetricSeries(Struct, frozen=True):
    """The newest values of one series, oldest first, as (nanoseconds, value, total)."""

    service: str
    name: str
    unit: str
    kind: Kind
    labels: Pairs
    points: tuple[tuple[int, float, float], ...]


_Key = tuple[str, str, Pairs]


class _Kept:
    def __init__(self, first: MetricPoint) -> None:
        self.first = first
        self.points: deque[tuple[int, float, float]] = deque(maxlen=LENGTH)


class ReceivedMetrics:
    """All series. Not thread-safe: everything runs on the event loop."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._series: OrderedDict[_Key, _Kept] = OrderedDict()
        # Series that made room for others.
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._series)

    def add(self, points: Iterable[MetricPoint]) -> None:
        """Keep points; the series that was silent longest makes room."""
        for point in points:
            key = (point.service, point.name, point.labels)
            kept = self._series.get(key)
            if kept is None or kept.first.kind != point.kind:
                kept = self._series[key] = _Kept(point)
            self._series.move_to_end(key)
            _append(kept.points, point)
            if len(self._series) > self._most:
                self._series.popitem(last=False)
                self.evicted += 1

    @property
    def services(self) -> set[str]:
        """Those of which there are series."""
        return {service for service, *_ in self._series}

    def find(self, *, service: str = "", name: str = "", limit: int = 200) -> list[MetricSeries]:
        """Series whose service this is and whose name has this in it, by service and name."""
        wanted = name.casefold()
        keys = [
            key
            for key in self._series
            if (not service or key[0] == service) and wanted in key[1].casefold()
        ]
        found = ((key, self._series[key]) for key in sorted(keys)[:limit])
        return [
            MetricSeries(*key[:2], kept.first.unit, kept.first.kind, key[2], tuple(kept.points))
            for key, kept in found
        ]


def _append(points: deque[tuple[int, float, float]], point: MetricPoint) -> None:
    last_ns, last, total = points[-1] if points else (0, 0.0, 0.0)
    if point.at_ns <= last_ns:
        # A sender that received no response sends again.
        return
    if point.is_delta:
        points.append((point.at_ns, last + point.value, total + point.total))
    else:
        points.append((point.at_ns, point.value, point.total))
