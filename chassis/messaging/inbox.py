"""What a consumer keeps in the database: what took effect, what is put aside, how far it is."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from chassis.messaging.envelope import CloudEvent
from chassis.messaging.sorting import Arrived, Parked

_REGISTER = statement(
    text(
        "INSERT INTO events.consumers (consumer, types, is_ordered)"
        " VALUES (:consumer, :types ::text[], :is_ordered)"
        " ON CONFLICT (consumer) DO UPDATE SET types = excluded.types,"
        " is_ordered = excluded.is_ordered, seen_at = now()"
    ),
    "UPSERT events.consumers",
)
# Two processes of one consumer take turns.
_LOCK = statement(
    text("SELECT 1 FROM events.consumers WHERE consumer = :consumer FOR UPDATE"),
    "SELECT events.consumers",
)
_SEEN = statement(
    text(
        "SELECT event_id FROM events.inbox"
        " WHERE consumer = :consumer AND event_id = ANY(:ids ::uuid[])"
    ),
    "SELECT events.inbox",
)
_LAST = statement(
    text(
        "SELECT k.aggregate, k.aggregate_id, (SELECT coalesce(max(i.aggregate_seq), 0)"
        " FROM events.inbox i WHERE i.consumer = :consumer AND i.aggregate = k.aggregate"
        " AND i.aggregate_id = k.aggregate_id) AS seq"
        " FROM unnest(:aggregates ::text[], :aggregate_ids ::text[]) AS k (aggregate, aggregate_id)"
    ),
    "SELECT events.inbox",
)
_TAKE = statement(
    text(
        "INSERT INTO events.inbox (consumer, event_id, aggregate, aggregate_id, aggregate_seq)"
        " SELECT :consumer, * FROM unnest(:ids ::uuid[], :aggregates ::text[],"
        " :aggregate_ids ::text[], :seqs ::int[])"
    ),
    "INSERT events.inbox",
)
_PARK = statement(
    text(
        "INSERT INTO events.parked AS p (consumer, event_id, kind, reason, aggregate, aggregate_id,"
        " aggregate_seq, type, message) VALUES (:consumer, :event_id, :kind, :reason, :aggregate,"
        " :aggregate_id, :aggregate_seq, :type, :message)"
        " ON CONFLICT (consumer, event_id) DO UPDATE SET kind = excluded.kind,"
        " reason = excluded.reason, retry_at = NULL WHERE p.done_at IS NULL"
    ),
    "INSERT events.parked",
)
_DONE = statement(
    text(
        "UPDATE events.parked SET done_at = now() WHERE consumer = :consumer AND done_at IS NULL"
        " AND event_id = ANY(:ids ::uuid[])"
    ),
    "UPDATE events.parked",
)
# What somebody asked to be tried again, what waited for an event that has taken effect since, and
# what has taken effect itself since: it was delivered again.
_DUE = statement(
    text(
        "SELECT event_id, message FROM events.parked p"
        " WHERE consumer = :consumer AND done_at IS NULL"
        " AND (retry_at IS NOT NULL OR EXISTS (SELECT FROM events.inbox i"
        " WHERE i.consumer = p.consumer AND i.event_id = p.event_id) OR kind = 'waiting'"
        " AND aggregate_seq = 1 + (SELECT coalesce(max(i.aggregate_seq), 0) FROM events.inbox i"
        " WHERE i.consumer = p.consumer AND i.aggregate = p.aggregate"
        " AND i.aggregate_id = p.aggregate_id))"
        " ORDER BY aggregate, aggregate_id, aggregate_seq LIMIT 50"
    ),
    "SELECT events.parked",
)
_PARKED = statement(
    text(
        "SELECT count(*) FILTER (WHERE kind = 'failed') AS failed,"
        " count(*) FILTER (WHERE kind = 'waiting') AS waiting"
        " FROM events.parked WHERE consumer = :consumer AND done_at IS NULL"
    ),
    "SELECT events.parked",
)


class Inbox:
    """The rows of one consumer. Every call is inside the caller's transaction, after `lock`."""

    def __init__(self, consumer: str, types: Sequence[str], *, is_ordered: bool) -> None:
        self.consumer = consumer
        self._types = list(types)
        self._is_ordered = is_ordered

    async def register(self, c: Connection) -> None:
        """Say that this consumer exists, what it takes, and whether order matters to it."""
        await c.execute(
            _REGISTER, consumer=self.consumer, types=self._types, is_ordered=self._is_ordered
        )

    async def lock(self, tx: Connection) -> None:
        """Let no other process of this consumer take events meanwhile."""
        await tx.execute(_LOCK, consumer=self.consumer)

    async def seen(self, tx: Connection, ids: Collection[UUID]) -> set[UUID]:
        """Those that took effect before."""
        rows = await tx.rows(_SEEN, consumer=self.consumer, ids=list(ids))
        return {row["event_id"] for row in rows}

    async def last(
        self, tx: Connection, keys: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], int]:
        """The sequence each aggregate has come to, 0 where none of its events took effect."""
        rows = await tx.rows(
            _LAST,
            consumer=self.consumer,
            aggregates=[aggregate for aggregate, _ in keys],
            aggregate_ids=[aggregate_id for _, aggregate_id in keys],
        )
        return {(row["aggregate"], row["aggregate_id"]): row["seq"] for row in rows}

    async def take(self, tx: Connection, events: Sequence[CloudEvent]) -> None:
        """These take effect in this transaction, and never again."""
        ids = [event.id for event in events]
        await tx.execute(
            _TAKE,
            consumer=self.consumer,
            ids=ids,
            aggregates=[event.aggregate for event in events],
            aggregate_ids=[event.aggregateid for event in events],
            seqs=[event.seq for event in events],
        )

    async def done(self, tx: Connection, event_id: UUID) -> None:
        """What was put aside took effect, or turned out to have done so before."""
        await tx.execute(_DONE, consumer=self.consumer, ids=[event_id])

    async def park(self, tx: Connection, parked: Parked) -> None:
        """Put an event aside; one that took effect meanwhile stays as it is."""
        event = parked.arrived.event
        await self.park_body(
            tx,
            parked.arrived.delivery.body,
            event_id=event.id,
            kind=parked.kind,
            reason=parked.reason,
            aggregate=event.aggregate,
            aggregate_id=event.aggregateid,
            aggregate_seq=event.seq,
            type=event.type,
        )

    async def park_body(self, tx: Connection, body: bytes, **values: object) -> None:
        """Put a body aside that need not be an event."""
        await tx.execute(_PARK, consumer=self.consumer, message=body, **values)

    async def due(self, c: Connection) -> list[Row]:
        """(event_id, message) of what is to be tried again now."""
        return await c.rows(_DUE, consumer=self.consumer)

    async def parked(self, c: Connection) -> tuple[int, int]:
        """How many failed, and how many wait."""
        row = await c.row(_PARKED, consumer=self.consumer)
        return (row["failed"], row["waiting"]) if row else (0, 0)


def events_of(arrived: Sequence[Arrived]) -> list[CloudEvent]:
    """The events alone."""
    return [each.event for each in arrived]
