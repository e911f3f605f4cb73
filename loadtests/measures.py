"""Everything a generator measures, in a size that does not grow with the run, and mergeable."""

import heapq
import time

import msgspec

from loadtests.histogram import FINE, Histogram, together
from loadtests.outcomes import OF_ORDERS, OUTCOMES, WORK, Outcome, status_of
from loadtests.timeline import Timeline

SLOWEST = 10
# Names are templates and answers are codes, both from our own code; answers of another program
# cannot fill the memory.
MOST_NAMES, MOST_ANSWERS = 32, 128
OTHER = "other"
# A process this busy has a queue of its own.
BUSY_PERCENT = 90.0


class Slow(msgspec.Struct, frozen=True, order=True):
    """One slow request; `trace_id` is empty without a response; then `key` may lead to it."""

    ms: float
    at_s: float
    name: str
    outcome: Outcome
    result: str
    trace_id: str = ""
    key: str = ""


class GeneratorUsage(msgspec.Struct):
    """How busy the generator's own processes were, one sample a second and process."""

    samples: int = 0
    busy_samples: int = 0
    sum_percent: float = 0.0
    peak_percent: float = 0.0
    machine_sum_percent: float = 0.0
    peak_rss_mb: float = 0.0
    late: Histogram = msgspec.field(default_factory=Histogram)

    def merge(self, other: "GeneratorUsage") -> None:
        """Take in another process's."""
        self.samples += other.samples
        self.busy_samples += other.busy_samples
        self.sum_percent += other.sum_percent
        self.machine_sum_percent += other.machine_sum_percent
        self.peak_percent = max(self.peak_percent, other.peak_percent)
        self.peak_rss_mb = max(self.peak_rss_mb, other.peak_rss_mb)
        self.late.merge(other.late)


class Measures(msgspec.Struct):
    """What one generator saw, or several together."""

    names: dict[str, dict[Outcome, Histogram]] = msgspec.field(default_factory=dict)
    answers: dict[str, int] = msgspec.field(default_factory=dict)
    orders: dict[str, int] = msgspec.field(default_factory=dict)
    settled: Histogram = msgspec.field(default_factory=Histogram)
    left_open: int = 0
    compensations: int = 0
    lost_answers: int = 0
    retries: int = 0
    replays: int = 0
    due: int = 0
    not_begun: int = 0
    errors: dict[str, int] = msgspec.field(default_factory=dict)
    timeline: Timeline = msgspec.field(default_factory=Timeline)
    slowest: list[Slow] = msgspec.field(default_factory=list)
    usage: GeneratorUsage = msgspec.field(default_factory=GeneratorUsage)

    def add_request(
        self, name: str, outcome: Outcome, ms: float, result: str, *, trace_id: str, key: str
    ) -> None:
        """Count one request and its response, at the moment of the response."""
        now = time.time()
        held = name if name in self.names or len(self.names) < MOST_NAMES else OTHER
        self.names.setdefault(held, {}).setdefault(outcome, Histogram()).add(ms)
        _count(self.answers, f"{held}: {result}", MOST_ANSWERS)
        slot = self.timeline.at(now)
        if name in OF_ORDERS:
            slot.answered(status_of(result), ms)
        if name in WORK:
            slot.took(outcome, ms)
        else:
            slot.looks += 1
            slot.looks_failed += outcome == "failed"
        if len(self.slowest) < SLOWEST or ms > self.slowest[0].ms:
            self._keep(Slow(ms, now, name, outcome, result, trace_id, key))

    def ended(self, outcome: str) -> None:
        """Count what became of one order, as far as its shopper knows."""
        self.orders[outcome] = self.orders.get(outcome, 0) + 1

    def failed(self, error: str) -> None:
        """Count an error of the generator itself."""
        _count(self.errors, error[:200], MOST_ANSWERS)

    def merge(self, other: "Measures") -> None:
        """Take in what another generator saw."""
        for name, found in other.names.items():
            held = name if name in self.names or len(self.names) < MOST_NAMES else OTHER
            mine = self.names.setdefault(held, {})
            for outcome, histogram in found.items():
                mine.setdefault(outcome, Histogram()).merge(histogram)
        for theirs, ours in ((other.answers, self.answers), (other.errors, self.errors)):
            for result, count in theirs.items():
                _count(ours, result, MOST_ANSWERS, count)
        for outcome_, count in other.orders.items():
            self.orders[outcome_] = self.orders.get(outcome_, 0) + count
        for field in _SUMS:
            setattr(self, field, getattr(self, field) + getattr(other, field))
        self.settled.merge(other.settled)
        self.timeline.merge(other.timeline)
        self.usage.merge(other.usage)
        for slow in other.slowest:
            self._keep(slow)

    def of(self, names: frozenset[str] | None = None, outcome: Outcome | None = None) -> Histogram:
        """The durations of these requests (all without), of one outcome or of all."""
        return together(
            [
                histogram
                for name, found in self.names.items()
                if names is None or name in names
                for each, histogram in found.items()
                if outcome in (None, each)
            ],
            FINE,
        )

    def tally(self) -> dict[Outcome, int]:
        """How many requests there were of each outcome."""
        return {outcome: self.of(outcome=outcome).count for outcome in OUTCOMES}

    def _keep(self, slow: Slow) -> None:
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, slow)
        else:
            heapq.heappushpop(self.slowest, slow)


_SUMS = (
    "left_open", "compensations", "lost_answers", "retries", "replays", "due", "not_begun",
)  # fmt: skip


def _count(counts: dict[str, int], what: str, most: int, by: int = 1) -> None:
    held = what if what in counts or len(counts) < most else OTHER
    counts[held] = counts.get(held, 0) + by
