"""Durations counted in a fixed number of buckets: as large after a week as after a minute."""

import math

import msgspec

LOWEST_MS = 0.1
HIGHEST_MS = 120_000.0
# Neighbouring buckets differ by this factor; a quantile is right to half of it.
FINE, COARSE = 1.02, 1.1


def buckets_of(growth: float) -> int:
    """How many buckets there are at most: the bound of a histogram's memory."""
    return math.ceil(math.log(HIGHEST_MS / LOWEST_MS) / math.log(growth)) + 1


class Histogram(msgspec.Struct):
    """How often each duration was seen. Mean and maximum are exact, quantiles to one bucket."""

    growth: float = FINE
    buckets: dict[int, int] = msgspec.field(default_factory=dict)
    count: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0

    def add(self, ms: float) -> None:
        """Count one duration."""
        index = self._index(ms)
        self.buckets[index] = self.buckets.get(index, 0) + 1
        self.count += 1
        self.sum_ms += ms
        self.max_ms = max(self.max_ms, ms)

    def merge(self, other: "Histogram") -> None:
        """Take in what another one of the same growth has counted."""
        for index, count in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + count
        self.count += other.count
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)

    @property
    def mean_ms(self) -> float | None:
        """None where nothing was counted."""
        return self.sum_ms / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """The duration that `share` of all were not longer than; None where there are none."""
        if not self.count:
            return None
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= wanted:
                # The bucket's middle, on its own logarithmic scale.
                middle: float = LOWEST_MS * self.growth ** (index + 0.5)
                return min(middle, self.max_ms)
        return self.max_ms

    def _index(self, ms: float) -> int:
        held = min(max(ms, LOWEST_MS), HIGHEST_MS)
        return int(math.log(held / LOWEST_MS) / math.log(self.growth))


def together(several: list[Histogram], growth: float = FINE) -> Histogram:
    """One histogram of them all."""
    whole = Histogram(growth)
    for each in several:
        whole.merge(each)
    return whole
