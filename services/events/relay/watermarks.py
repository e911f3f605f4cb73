"""How far each consumer is, and what a transport lost on the way to it."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from chassis.messaging.envelope import matches
from services.events.relay.metrics import RelayMetrics
from services.events.relay.settings import RelaySettings
from services.events.relay.store import Outboxes, OutboxRow, find_head

_EVERY_S = 2.0
_CONSUMERS = statement(
    text("SELECT consumer, types, is_ordered, consumed FROM events.consumers ORDER BY consumer"),
    "SELECT events.consumers",
)
_ARRIVED = statement(
    text(
        "SELECT event_id FROM events.inbox"
        " WHERE consumer = :consumer AND event_id = ANY(:ids ::uuid[])"
        " UNION ALL SELECT event_id FROM events.parked"
        " WHERE consumer = :consumer AND event_id = ANY(:ids ::uuid[])"
    ),
    "SELECT events.inbox",
)
_MOVE = statement(
    text(
        "UPDATE events.consumers SET consumed = :consumed ::bigint"
        " WHERE consumer = :consumer AND consumed < :consumed"
    ),
    "UPDATE events.consumers",
)


class Lag(Struct, frozen=True):
    """What one consumer has still to take. `events` counts up to the last position; of what lies
    beyond the two thousand that are looked at, all count."""

    consumer: str
    is_ordered: bool
    consumed: int
    events: int
    oldest_s: float


class Redeliveries:
    """What is published again, and when the next time. A consumer that is away finds each event
    in its queue a few times, not once for every look."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        # By event: when it is due again, and the pause after that.
        self._next: dict[UUID, tuple[float, float]] = {}

    def due(self, lost: Iterable[UUID], now_s: float) -> set[UUID]:
        """Of `lost`, which are to be published now; the pause doubles each time."""
        known = {each: self._next.get(each, (now_s, self._after_s)) for each in lost}
        due = {each for each, (at_s, _) in known.items() if at_s <= now_s}
        self._next = {
            each: (now_s + pause_s, 2 * pause_s) if each in due else (at_s, pause_s)
            for each, (at_s, pause_s) in known.items()
        }
        return due


class Watermarks:
    """Looks every two seconds, from where everything has arrived."""

    def __init__(self, outboxes: Outboxes, settings: RelaySettings, metrics: RelayMetrics) -> None:
        self._outboxes = outboxes
        self._after_s = settings.redeliver_after_s
        self._redeliveries = Redeliveries(settings.redeliver_after_s)
        self._metrics = metrics
        self._looked_at = float("-inf")
        # Whether, when it looked last, each consumer had everything.
        self.are_level = False

    async def look(self, c: Connection) -> list[OutboxRow]:
        """What was confirmed so long ago that it must have been lost; moves the watermarks."""
        if time.monotonic() - self._looked_at < _EVERY_S:
            return []
        self._looked_at = time.monotonic()
        lost: dict[UUID, OutboxRow] = {}
        self.are_level = True
        for lag, missing in await look(c, self._outboxes):
            self._metrics.lag.labels(lag.consumer).set(lag.events)
            self._metrics.lag_s.labels(lag.consumer).set(lag.oldest_s)
            self.are_level &= not lag.events
            old = [
                row
                for row in missing
                if row.confirmed_at and _age(row.confirmed_at) > self._after_s
            ]
            lost |= {row.event_id: row for row in old}
        await self._show_unpublished(c)
        due = self._redeliveries.due(lost, self._looked_at)
        self._metrics.redelivered.inc(len(due))
        return sorted((lost[each] for each in due), key=lambda row: row.position or 0)

    async def _show_unpublished(self, c: Connection) -> None:
        head = await find_head(c)
        waiting = await self._outboxes.waiting(c, head["confirmed"])
        self._metrics.unpublished.set(waiting[0])
        self._metrics.oldest.set(_age(waiting[1]) if waiting[1] else 0)


async def look(c: Connection, outboxes: Outboxes) -> Sequence[tuple[Lag, list[OutboxRow]]]:
    """Each consumer's lag, with what it has not taken of the next two thousand events."""
    head, found = await find_head(c), []
    for each in await c.rows(_CONSUMERS):
        rows = await outboxes.after(c, each["consumed"])
        wanted = [row for row in rows if matches(tuple(each["types"]), row.type)]
        ids = [row.event_id for row in wanted]
        arrived = {
            row["event_id"] for row in await c.rows(_ARRIVED, consumer=each["consumer"], ids=ids)
        }
        missing = [row for row in wanted if row.event_id not in arrived]
        seen = rows[-1].position or 0 if rows else each["consumed"]
        consumed = (missing[0].position or 1) - 1 if missing else seen
        await c.execute(_MOVE, consumer=each["consumer"], consumed=consumed)
        lag = Lag(
            each["consumer"],
            each["is_ordered"],
            consumed,
            len(missing) + max(0, head["position"] - seen),
            _age(missing[0].at) if missing else 0.0,
        )
        found.append((lag, missing))
    return found


def _age(at: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - at).total_seconds())
