"""Records every change of the lights with its time, in bounded memory."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from observatory.sla import LightState

# A light that changed every scrape would fill this in a quarter of an hour; a real one in days.
_LENGTH = 500


class LightPeriod(Struct, frozen=True):
    """A time in which a light did not change; `until` is None for how it is now."""

    state: LightState
    since: datetime
    until: datetime | None

    def within(self, since: datetime, until: datetime | None) -> bool:
        """Whether any of it falls in that time."""
        starts = until is None or self.since < until
        return starts and (self.until is None or self.until > since)


class LightLog:
    """The lights' changes. `began` is when the first states were recorded."""

    def __init__(self) -> None:
        self.began: datetime | None = None
        self._changes: dict[str, deque[tuple[datetime, LightState]]] = {}

    def add(self, at: datetime, states: Mapping[str, LightState]) -> None:
        """The lights as they are at `at`."""
        self.began = self.began or at
        for service, state in states.items():
            changes = self._changes.setdefault(service, deque(maxlen=_LENGTH))
            if not changes or changes[-1][1] != state:
                changes.append((at, state))

    def periods(self) -> dict[str, list[LightPeriod]]:
        """Each light's periods, oldest first."""
        return {service: _periods(list(changes)) for service, changes in self._changes.items()}


def _periods(changes: list[tuple[datetime, LightState]]) -> list[LightPeriod]:
    ends = [*(at for at, _ in changes[1:]), None]
    return [LightPeriod(state, at, end) for (at, state), end in zip(changes, ends, strict=True)]
