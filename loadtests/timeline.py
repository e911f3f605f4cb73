"""What happened when: a fixed number of slots that grow wider, never more, as a run goes on."""

import math

import msgspec

from loadtests.histogram import COARSE, Histogram, together
from loadtests.outcomes import Outcome
from observatory.sla import PENDING, is_failed

MOST_SLOTS = 240
FIRST_WIDTH_S = 0.25


class Slot(msgspec.Struct):
    """A piece of time: how long work took by outcome, how much was merely looked at, how many
    shoppers there were at most, how many visits were due (of an open loop); and the order service's
    requests, by the status that its light judges them by."""

    work: dict[Outcome, Histogram] = msgspec.field(default_factory=dict)
    looks: int = 0
    looks_failed: int = 0
    users: int = 0
    due: int = 0
    requests: int = 0
    failed: int = 0
    pending: int = 0
    total_ms: float = 0.0

    def answered(self, status: str, ms: float) -> None:
        """Count one request to the order service; its status as the metrics write it."""
        self.requests += 1
        self.failed += is_failed(status)
        self.pending += status == PENDING
        self.total_ms += ms

    def took(self, outcome: Outcome, ms: float) -> None:
        """Count one request that changed something."""
        self.work.setdefault(outcome, Histogram(COARSE)).add(ms)

    def merge(self, other: "Slot", *, same_moment: bool) -> None:
        """Take in another one. Shoppers of two generators at the same moment add up, those of two
        moments do not."""
        for outcome, histogram in other.work.items():
            self.work.setdefault(outcome, Histogram(COARSE)).merge(histogram)
        self.looks += other.looks
        self.looks_failed += other.looks_failed
        self.due += other.due
        self.requests += other.requests
        self.failed += other.failed
        self.pending += other.pending
        self.total_ms += other.total_ms
        self.users = self.users + other.users if same_moment else max(self.users, other.users)

    def count(self, outcome: Outcome) -> int:
        """How much work ended so."""
        return self.work[outcome].count if outcome in self.work else 0

    @property
    def whole(self) -> Histogram:
        """All work, whatever came of it."""
        return together(list(self.work.values()), COARSE)


class Timeline(msgspec.Struct):
    """Slots by number: slot n covers n times the width since the epoch, in every process alike."""

    width_s: float = FIRST_WIDTH_S
    slots: dict[int, Slot] = msgspec.field(default_factory=dict)

    def at(self, epoch_s: float) -> Slot:
        """The slot of this moment. Where that makes too many, all become twice as wide first."""
        number = math.floor(epoch_s / self.width_s)
        if number not in self.slots:
            while self._span(number) > MOST_SLOTS:
                self._widen()
                number = math.floor(epoch_s / self.width_s)
            self.slots.setdefault(number, Slot())
        return self.slots[number]

    def merge(self, other: "Timeline") -> None:
        """Take in another process's; `other` may be widened on the way."""
        while self.width_s < other.width_s:
            self._widen()
        while other.width_s < self.width_s:
            other._widen()  # noqa: SLF001 - of the same class
        for number, slot in other.slots.items():
            mine = self.at(number * other.width_s)
            mine.merge(slot, same_moment=self.width_s == other.width_s)

    def between(self, begin_s: float, end_s: float) -> list[Slot]:
        """The slots that lie wholly between two moments, oldest first."""
        return [
            self.slots[number]
            for number in sorted(self.slots)
            if number * self.width_s >= begin_s and (number + 1) * self.width_s <= end_s
        ]

    def covered_s(self, begin_s: float, end_s: float) -> float:
        """How much time the slots take that lie wholly between two moments, empty ones too."""
        slots = math.floor(end_s / self.width_s) - math.ceil(begin_s / self.width_s)
        return max(0, slots) * self.width_s

    def _span(self, number: int) -> int:
        if not self.slots:
            return 1
        return max(*self.slots, number) - min(*self.slots, number) + 1

    def _widen(self) -> None:
        narrow, self.slots = self.slots, {}
        self.width_s *= 2
        for number in sorted(narrow):
            wide = self.slots.setdefault(number // 2, Slot())
            wide.merge(narrow[number], same_moment=False)
