"""Adds up one service's instances: many processes that restart, as one that never does."""

from collections import OrderedDict
from collections.abc import Collection

from observatory.metrics.prometheus_text import Series
from observatory.sources.stack.prometheus_response import Instance, Reading

# Instances that are kept; one that comes back later counts as new.
_MOST = 50


class MergeInstances:
    """Totals of everything counted since each instance was first seen.

    As in `CounterWindow`: a value that fell means a restart, a series that appears in a known
    instance counts from zero. When an instance counted what it had before it was first seen is not
    known, so that is left out. `gauges` are not added up: every instance has the same value."""

    def __init__(self, gauges: Collection[str]) -> None:
        self._gauges = frozenset(gauges)
        self._last: OrderedDict[Instance, Reading] = OrderedDict()
        self._totals: dict[Series, float] = {}

    def is_new(self, reading: Reading) -> bool:
        """Whether it is later than the last reading of its instance."""
        last = self._last.get(reading.instance)
        return last is None or reading.at > last.at

    def add(self, reading: Reading) -> None:
        """Count what has grown since the last reading."""
        last = self._last.get(reading.instance)
        for series, value in reading.values.items():
            if series.name in self._gauges:
                self._totals[series] = value
                continue
            grown = 0.0
            if last is not None:
                old = last.values.get(series, 0.0)
                grown = value - old if value >= old else value
            self._totals[series] = self._totals.get(series, 0.0) + grown
        self._last[reading.instance] = reading
        self._last.move_to_end(reading.instance)
        if len(self._last) > _MOST:
            self._last.popitem(last=False)

    def totals(self) -> dict[Series, float]:
        """All series as they stand now."""
        return dict(self._totals)
