"""What can go wrong with one call, and the dice that decide when it does."""

import random
from collections import Counter
from enum import Enum


class Fault(Enum):
    """PROTOCOL's seven: each is a different pair of (did it happen, was it heard)."""

    NOT_SENT = "not sent"
    REQUEST_LOST = "request lost"
    RESPONSE_LOST = "response lost"
    LATE = "late effect"
    DUPLICATE = "duplicate"
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"


class Dice:
    """Seeded chance, one stream per hop, so that what one hop draws does not shift another's.

    `heal` ends every fault at once; what is already late still lands."""

    def __init__(self, seed: int, *, fault_share: float, crash_share: float) -> None:
        self._seed = seed
        self._fault_share = fault_share
        self._crash_share = crash_share
        self._streams: dict[str, random.Random] = {}
        self.faults: Counter[Fault] = Counter()
        self.crashes: Counter[str] = Counter()

    def stream(self, name: str) -> random.Random:
        """The chance that belongs to `name` alone."""
        return self._streams.setdefault(name, random.Random(f"{self._seed}:{name}"))

    def fault(self, hop: str) -> Fault | None:
        """What happens to the next call on this hop; mostly nothing."""
        chance = self.stream(f"fault {hop}")
        if chance.random() >= self._fault_share:
            return None
        fault = chance.choice(list(Fault))
        self.faults[fault] += 1
        return fault

    def crashes_at(self, point: str) -> bool:
        """Whether the process dies here."""
        if self.stream(f"crash {point}").random() >= self._crash_share:
            return False
        self.crashes[point] += 1
        return True

    def heal(self) -> None:
        """From now on nothing goes wrong any more."""
        self._fault_share = self._crash_share = 0.0
