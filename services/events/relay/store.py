"""The relay's SQL, over the outboxes of all processes that have one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Connection, Row, Statement, statement
from chassis.messaging.transport import BATCH

# The advisory lock that the leader's session holds: "valerix" in a bigint, and one.
_LOCK = 0x76616C6572697801
_COLUMNS = (
    "id, event_id, aggregate, aggregate_id, aggregate_seq, type, payload, traceparent, at, position"
)
_LEAD = statement(text(f"SELECT pg_try_advisory_lock({_LOCK}) AS leads"), "SELECT advisory lock")
_ANNOUNCE = statement(
    text("UPDATE events.head SET leader = :leader, since = now()"), "UPDATE events.head"
)
_HEAD = statement(text("SELECT * FROM events.head"), "SELECT events.head")
_LOCK_HEAD = statement(
    text("SELECT position, confirmed FROM events.head FOR UPDATE"), "SELECT events.head"
)
_MOVE_HEAD = statement(
    text("UPDATE events.head SET position = :position ::bigint"), "UPDATE events.head"
)
_CONFIRM_HEAD = statement(
    text("UPDATE events.head SET confirmed = :confirmed ::bigint WHERE confirmed < :confirmed"),
    "UPDATE events.head",
)
_CONFIRM_ALL = statement(
    text("UPDATE events.head SET confirmed = position WHERE confirmed < position"),
    "UPDATE events.head",
)
_ROOMS = statement(
    text(
        "SELECT room FROM unnest(:rooms ::text[]) AS room"
        " WHERE to_regclass(format('%I.outbox', room)) IS NOT NULL"
    ),
    "SELECT outboxes",
)


class OutboxRow(Struct, frozen=True):
    """One event in the outbox of `room`."""

    room: str
    id: int
    event_id: UUID
    aggregate: str
    aggregate_id: str
    aggregate_seq: int
    type: str
    payload: dict[str, Any]
    traceparent: str | None
    at: datetime
    position: int | None
    confirmed_at: datetime | None

    @property
    def key(self) -> tuple[str, str]:
        """Which aggregate it is about."""
        return self.aggregate, self.aggregate_id


class Outboxes:
    """The statements over all outboxes there are; the schemas' names are constants of ours."""

    def __init__(self, rooms: Sequence[str]) -> None:
        self.rooms = tuple(rooms)
        self._number = {room: _number(room) for room in rooms}
        self._confirm = {room: _confirm(room) for room in rooms}
        waiting = (
            f"SELECT '{room}' AS room WHERE EXISTS"
            f" (SELECT 1 FROM {room}.outbox WHERE position IS NULL)"
            for room in rooms
        )
        self._waiting = statement(text(" UNION ALL ".join(waiting)), "SELECT outboxes")
        self._unconfirmed = self._merged(
            "position > :confirmed ::bigint AND confirmed_at IS NULL", "position"
        )
        self._after = self._merged("position > :confirmed ::bigint", "position", limit=2000)
        each = (
            f"SELECT at FROM {room}.outbox WHERE position IS NULL UNION ALL SELECT at FROM"
            f" {room}.outbox WHERE position > :confirmed ::bigint AND confirmed_at IS NULL"
            for room in rooms
        )
        query = f"SELECT count(*) AS events, min(at) AS oldest FROM ({' UNION ALL '.join(each)}) e"
        self._unpublished = statement(text(query), "SELECT outboxes")
        self._tail = {room: statement(text(_tail(room)), f"SELECT {room}.outbox") for room in rooms}

    def _merged(self, condition: str, order: str, *, limit: int = BATCH) -> Statement:
        each = (
            f"(SELECT '{room}' AS room, {_COLUMNS}, confirmed_at FROM {room}.outbox"
            f" WHERE {condition} ORDER BY {order} LIMIT {limit})"
            for room in self.rooms
        )
        query = f"{' UNION ALL '.join(each)} ORDER BY {order} LIMIT {limit}"
        return statement(text(query), "SELECT outboxes")

    async def number(self, c: Connection) -> int:
        """Give positions to what has none, without a gap; how many. In one transaction with the
        head's row locked, so that two could not give the same."""
        rooms = [row["room"] for row in await c.rows(self._waiting)]
        if not rooms:
            return 0
        async with c.transaction():
            head = await c.row(_LOCK_HEAD)
            first = position = head["position"] if head else 0
            for room in rooms:
                position += await c.execute(self._number[room], position=position)
            await c.execute(_MOVE_HEAD, position=position)
        return int(position - first)

    async def unconfirmed(self, c: Connection) -> list[OutboxRow]:
        """What is to be published next, by position."""
        head = await c.row(_HEAD)
        rows = await c.rows(self._unconfirmed, confirmed=head["confirmed"] if head else 0)
        return [_row(row) for row in rows]

    async def waiting(self, c: Connection, confirmed: int) -> tuple[int, datetime | None]:
        """How many events are not confirmed, and when the oldest of them happened."""
        row = await c.row(self._unpublished, confirmed=confirmed)
        return (row["events"], row["oldest"]) if row else (0, None)

    async def confirm_all(self, c: Connection) -> None:
        """Nothing is unconfirmed: neither is what the head had not said yet."""
        await c.execute(_CONFIRM_ALL)

    async def after(self, c: Connection, position: int) -> list[OutboxRow]:
        """The next two thousand events after a position."""
        return [_row(row) for row in await c.rows(self._after, confirmed=position)]

    async def confirm(self, c: Connection, rows: Sequence[OutboxRow], up_to: int) -> None:
        """The transport confirmed these very messages; every event `up_to` here is confirmed."""
        by_room: dict[str, list[int]] = {}
        for row in rows:
            by_room.setdefault(row.room, []).append(row.id)
        async with c.transaction():
            for room, ids in by_room.items():
                await c.execute(self._confirm[room], ids=ids)
            await c.execute(_CONFIRM_HEAD, confirmed=up_to)

    async def tail(
        self, c: Connection, limit: int, before: Mapping[str, int], **filters: str | None
    ) -> list[OutboxRow]:
        """The newest `limit` of each outbox that are older than `before` says."""
        found = []
        for room, query in self._tail.items():
            values = {"limit": limit, "before": before.get(room, 1 << 62), **filters}
            found += [_row(row) for row in await c.rows(query, **values)]
        return found


async def find_outboxes(c: Connection, schemas: Sequence[str]) -> Outboxes:
    """The outboxes there are among the processes' schemas."""
    rows = await c.rows(_ROOMS, rooms=list(schemas))
    return Outboxes([row["room"] for row in rows])


async def take_lead(c: Connection, leader: str) -> bool:
    """Whether this session leads from now on, until it ends."""
    row = await c.row(_LEAD)
    if row is None or not row["leads"]:
        return False
    await c.execute(_ANNOUNCE, leader=leader)
    return True


async def find_head(c: Connection) -> Row:
    """position, confirmed, leader, since."""
    row = await c.row(_HEAD)
    if row is None:
        raise LookupError("events.head has no row")
    return row


def _row(row: Row) -> OutboxRow:
    return msgspec.convert(dict(row), OutboxRow)


def _number(room: str) -> Statement:
    query = (
        "WITH chosen AS MATERIALIZED (SELECT id,"
        " :position ::bigint + row_number() OVER (ORDER BY id) AS place"
        f" FROM {room}.outbox WHERE position IS NULL ORDER BY id LIMIT {10 * BATCH})"
        f" UPDATE {room}.outbox AS o SET position = chosen.place"
        " FROM chosen WHERE o.id = chosen.id"
    )
    return statement(text(query), f"UPDATE {room}.outbox")


def _confirm(room: str) -> Statement:
    query = (
        f"UPDATE {room}.outbox SET confirmed_at = clock_timestamp()"
        " WHERE id = ANY(:ids ::bigint[]) AND confirmed_at IS NULL"
    )
    return statement(text(query), f"UPDATE {room}.outbox")


def _tail(room: str) -> str:
    return (
        f"SELECT '{room}' AS room, {_COLUMNS}, confirmed_at FROM {room}.outbox"
        " WHERE id < :before ::bigint AND (:type ::text IS NULL OR type = :type)"
        " AND (:aggregate ::text IS NULL OR aggregate = :aggregate)"
        " AND (:aggregate_id ::text IS NULL OR aggregate_id = :aggregate_id)"
        " ORDER BY id DESC LIMIT :limit ::int"
    )
