"""How far the shop's events are on their way, read from the outboxes and the inboxes themselves.

The relay answers the same over HTTP, and says nothing while it is gone: then more than ever
somebody wants to see what waits (docs/decisions/0013-watch-from-outside.md)."""

from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Connection, Database, Statement, statement
from topology import SHOP

# Of each outbox so many events are looked at; a page need not tell 2 000 from more.
MOST = 2000
# An event that is this old and has not arrived is late: a relay that was restarted is faster.
LATE_S = 5.0

_ROOMS = statement(
    text(
        "SELECT room FROM unnest(:rooms ::text[]) AS room"
        " WHERE to_regclass(format('%I.outbox', room)) IS NOT NULL"
    ),
    "SELECT outboxes",
)
# Whole seconds: a reading in which nothing waits equals the one before.
_AGE = "greatest(0, coalesce(extract(epoch FROM now() - min(at)), 0))::int"
_EACH = """
(SELECT event_id, type, at, position, confirmed_at FROM {room}.outbox
 WHERE position > (SELECT least(min(consumed), (SELECT confirmed FROM events.head))
                   FROM events.consumers) ORDER BY position LIMIT {most})
UNION ALL
(SELECT event_id, type, at, position, confirmed_at FROM {room}.outbox
 WHERE position IS NULL ORDER BY id LIMIT {most})"""
_PROGRESS = """
WITH open AS MATERIALIZED ({each}), behind AS (
  SELECT c.consumer, count(e.event_id) AS behind, {age} AS oldest_s
  FROM events.consumers c LEFT JOIN open e
    ON (e.type = ANY (c.types) OR split_part(e.type, '.', 1) || '.*' = ANY (c.types))
   AND coalesce(e.position > c.consumed, true)
   AND NOT EXISTS (SELECT FROM events.inbox i
                   WHERE (i.consumer, i.event_id) = (c.consumer, e.event_id))
   AND NOT EXISTS (SELECT FROM events.parked p
                   WHERE (p.consumer, p.event_id) = (c.consumer, e.event_id))
  GROUP BY c.consumer
)
SELECT h.position, h.leader, h.since,
  (SELECT count(*) FROM open WHERE confirmed_at IS NULL) AS unpublished,
  (SELECT {age} FROM open WHERE confirmed_at IS NULL) AS oldest_s,
  (SELECT count(*) FROM events.parked WHERE done_at IS NULL) AS parked,
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
     'consumer', consumer, 'behind', behind, 'is_ordered', is_ordered, 'oldest_s', oldest_s)
     ORDER BY consumer), '[]') FROM behind JOIN events.consumers USING (consumer)) AS consumers
FROM events.head h"""


class ConsumerProgress(Struct, frozen=True):
    """How many events one consumer has still to take, and how old the oldest of them is."""

    consumer: str
    behind: int
    is_ordered: bool
    oldest_s: int = 0


class EventProgress(Struct, frozen=True):
    """What is on its way. `unpublished` are committed and not confirmed by the transport,
    `oldest_s` is the age of the oldest; `position` is the last that was given; `parked` were put
    aside and are not done."""

    position: int
    leader: str | None
    since: datetime | None
    unpublished: int
    oldest_s: int
    parked: int
    consumers: tuple[ConsumerProgress, ...]

    @property
    def waits(self) -> bool:
        """Whether anything is on its way, and grows older."""
        return self.unpublished > 0 or any(each.behind for each in self.consumers)

    def behind_of(self, process: str) -> tuple[int, int]:
        """How many events the process has still to take, or, where it takes none, to publish; and
        how old the oldest of them is, in seconds."""
        for each in self.consumers:
            if each.consumer == process:
                return each.behind, each.oldest_s
        return self.unpublished, self.oldest_s


class EventProgressReader:
    """Asks the database; which outboxes there are it asks once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query: Statement | None = None

    async def read(self) -> EventProgress:
        """One short statement, as long as little waits."""
        async with self._database.connect() as connection:
            query = self._query or await _statement(connection)
            row = await connection.row(query)
        self._query = query
        if row is None:
            raise LookupError("events.head has no row")
        return msgspec.convert(dict(row), EventProgress, strict=False)


async def _statement(connection: Connection) -> Statement:
    schemas = [each.schema for each in SHOP if each.schema]
    rooms = [row["room"] for row in await connection.rows(_ROOMS, rooms=schemas)]
    each = " UNION ALL ".join(_EACH.format(room=room, most=MOST) for room in rooms)
    return statement(text(_PROGRESS.format(each=each, age=_AGE)), "SELECT how far events are")
