"""What an act saw from beginning to end: every change with its moment, in bounded memory."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from scenarios.conditions import Observation

# A look every half second for an hour, if every single one differed from the one before.
_LENGTH = 7200


class RecordedMoment(Struct, frozen=True):
    """The shop at one moment, as far as a story needs it."""

    at: datetime
    red: bool
    ill: bool
    firing: frozenset[str]
    open: int | None


class Outage(Struct, frozen=True):
    """A process that was killed or restarted on purpose."""

    what: str
    at: datetime


class Recording:
    """Entries, oldest first; what did not change is not written down again."""

    def __init__(self) -> None:
        self._entries: deque[RecordedMoment] = deque(maxlen=_LENGTH)
        self.slips: list[Outage] = []

    def note(self, seen: Observation) -> None:
        """Remember a look."""
        entry = RecordedMoment(
            seen.at,
            "red" in seen.lights.values(),
            any(state in ("down", "degraded") for state in seen.services.values()),
            seen.firing,
            None if seen.books is None else seen.books.orders.get("open"),
        )
        if not self._entries or _same(self._entries[-1]) != _same(entry):
            self._entries.append(entry)

    def first(self, since: datetime, wanted: Callable[[RecordedMoment], bool]) -> datetime | None:
        """When it was first so after a moment."""
        return next((e.at for e in self._entries if e.at >= since and wanted(e)), None)

    def last_change_to(
        self, since: datetime, wanted: Callable[[RecordedMoment], bool]
    ) -> datetime | None:
        """When it became so for good, if it is so now and was not so at some time since."""
        became: datetime | None = None
        was_otherwise = False
        for entry in self._entries:
            if entry.at < since:
                continue
            if not wanted(entry):
                became, was_otherwise = None, True
            elif became is None:
                became = entry.at
        return became if was_otherwise else None


def _same(entry: RecordedMoment) -> tuple[object, ...]:
    return entry.red, entry.ill, entry.firing, entry.open
