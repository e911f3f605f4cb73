"""The audit log: lines are chained by hash, so that none can be changed or taken away unseen."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from chassis.messaging.envelope import CloudEvent

FIRST = bytes(32)
_LAST = statement(text("SELECT n, hash FROM audit.log ORDER BY n DESC LIMIT 1"), "SELECT audit.log")
_WRITE = statement(
    text(
        "INSERT INTO audit.log (n, event_id, type, aggregate, aggregate_id, aggregate_seq, source,"
        " happened_at, data, traceparent, hash) SELECT n, event_id, type, aggregate, aggregate_id,"
        " aggregate_seq, source, happened_at, data ::jsonb, traceparent, hash"
        " FROM unnest(:ns ::bigint[], :ids ::uuid[], :types ::text[], :aggregates ::text[],"
        " :aggregate_ids ::text[], :seqs ::int[], :sources ::text[], :times ::timestamptz[],"
        " :datas ::text[], :traceparents ::text[], :hashes ::bytea[])"
        " AS t (n, event_id, type, aggregate, aggregate_id, aggregate_seq, source, happened_at,"
        " data, traceparent, hash)"
    ),
    "INSERT audit.log",
)
_PAGE = statement(
    text(
        "SELECT * FROM audit.log WHERE n < :before ::bigint"
        " AND (:type ::text IS NULL OR type = :type)"
        " AND (:aggregate ::text IS NULL OR aggregate = :aggregate)"
        " AND (:aggregate_id ::text IS NULL OR aggregate_id = :aggregate_id)"
        " AND (:subject ::text IS NULL OR subject = :subject)"
        " AND (:event_id ::uuid IS NULL OR event_id = :event_id) ORDER BY n DESC LIMIT :limit ::int"
    ),
    "SELECT audit.log",
)
_FROM = statement(
    text("SELECT * FROM audit.log WHERE n > :after ::bigint ORDER BY n LIMIT 1000"),
    "SELECT audit.log",
)


def link(before: bytes, n: int, event_id: UUID, fields: Sequence[Any], data: Any) -> bytes:
    """The hash of a line: over the hash before it and all that the line says."""
    line = msgspec.json.encode([n, event_id, *fields, data], order="sorted", enc_hook=str)
    return sha256(before + line).digest()


def _fields(
    type_: str, aggregate: str, aggregate_id: str, seq: int, source: str, at: datetime
) -> list[Any]:
    # The database keeps microseconds, and gives every time in UTC.
    return [type_, aggregate, aggregate_id, seq, source, at.astimezone(UTC).isoformat()]


async def write(tx: Connection, events: Sequence[CloudEvent]) -> None:
    """The effect: a line for each event, in the order given. The caller's lock on its inbox keeps
    every other writer away."""
    last = await tx.row(_LAST)
    n, before = (last["n"], last["hash"]) if last else (0, FIRST)
    ns, hashes = [], []
    for event in events:
        n += 1
        fields = _fields(
            event.type, event.aggregate, event.aggregateid, event.seq, event.source, event.time
        )
        before = link(before, n, event.id, fields, event.data)
        ns.append(n)
        hashes.append(before)
    await tx.execute(
        _WRITE,
        ns=ns,
        ids=[event.id for event in events],
        types=[event.type for event in events],
        aggregates=[event.aggregate for event in events],
        aggregate_ids=[event.aggregateid for event in events],
        seqs=[event.seq for event in events],
        sources=[event.source for event in events],
        times=[event.time for event in events],
        datas=[msgspec.json.encode(event.data).decode() for event in events],
        traceparents=[event.traceparent for event in events],
        hashes=hashes,
    )


async def page(c: Connection, *, limit: int, before: int, **filters: object) -> list[Row]:
    """The newest lines below number `before`."""
    return await c.rows(_PAGE, limit=limit, before=before, **filters)


async def first_broken(c: Connection) -> tuple[int, int | None]:
    """(lines that were read, the number of the first whose hash or number is wrong)."""
    read, before = 0, FIRST
    async for row in _all(c):
        fields = _fields(
            row["type"],
            row["aggregate"],
            row["aggregate_id"],
            row["aggregate_seq"],
            row["source"],
            row["happened_at"],
        )
        read += 1
        before = link(before, read, row["event_id"], fields, row["data"])
        if row["n"] != read or row["hash"] != before:
            return read, read
    return read, None


async def _all(c: Connection) -> AsyncIterator[Row]:
    after = 0
    while rows := await c.rows(_FROM, after=after):
        for row in rows:
            yield row
        after = rows[-1]["n"]
