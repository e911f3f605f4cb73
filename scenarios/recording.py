"""What an act saw from beginning to end: every change with its moment, in bounded memory."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from scenarios.conditions import Observation, OrderCounts

# An observation every half second for an hour, if each differed from the one before.
_LENGTH = 7200


class RecordedMoment(Struct, frozen=True):
    """The shop at one moment, as far as the summary needs it."""

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
    """Moments, oldest first; an observation that changes nothing adds none."""

    def __init__(self) -> None:
        self._moments: deque[RecordedMoment] = deque(maxlen=_LENGTH)
        self.outages: list[Outage] = []
        # Accounts that were let misbehave, and how.
        self.accounts: list[str] = []

    def add(self, observation: Observation) -> None:
        """Remember an observation."""
        moment = RecordedMoment(
            observation.at,
            "red" in observation.lights.values(),
            any(state in ("down", "degraded") for state in observation.services.values()),
            observation.firing,
            _open(observation.counts),
        )
        if not self._moments or _same(self._moments[-1]) != _same(moment):
            self._moments.append(moment)

    def first(self, since: datetime, wanted: Callable[[RecordedMoment], bool]) -> datetime | None:
        """When it was first so after a moment."""
        return next((e.at for e in self._moments if e.at >= since and wanted(e)), None)

    def last_change_to(
        self, since: datetime, wanted: Callable[[RecordedMoment], bool]
    ) -> datetime | None:
        """When it became so for good, if it is so now and was not so at some time since."""
        became: datetime | None = None
        was_otherwise = False
        for moment in self._moments:
            if moment.at < since:
                continue
            if not wanted(moment):
                became, was_otherwise = None, True
            elif became is None:
                became = moment.at
        return became if was_otherwise else None


def _open(counts: OrderCounts | None) -> int | None:
    """Orders and payments that are not settled; the payment of an order is counted twice."""
    if counts is None or (orders := counts.orders.get("open")) is None:
        return None
    return orders + counts.payments.get("open", 0)


def _same(moment: RecordedMoment) -> tuple[object, ...]:
    return moment.red, moment.ill, moment.firing, moment.open
