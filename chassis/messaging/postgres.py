"""The embedded transport: messages are rows, read by position; PostgreSQL is all it needs.

Positions are gapless, and a reader takes only what follows its own without a gap: an id that was
given out first and committed last is never passed over."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from sqlalchemy import text

from chassis.database.pace import changes_of
from chassis.database.pool import Connection, Database, statement
from chassis.messaging.bell import Bell
from chassis.messaging.transport import BATCH, MESSAGE_BELL, Incoming, Outgoing

# For a ring that was lost, in a process in which no other loop asks whether anybody wrote.
_LONGEST_S = 30.0
_PUBLISH = statement(
    text(
        "INSERT INTO events.messages (position, event_id, type, envelope)"
        " SELECT * FROM unnest(:positions ::bigint[], :ids ::uuid[], :types ::text[],"
        " :bodies ::text[]) ON CONFLICT (position) DO NOTHING"
    ),
    "INSERT events.messages",
)
RING = statement(text(f"NOTIFY {MESSAGE_BELL}"), "NOTIFY")
# One row without a position where nothing follows.
_READ = statement(
    text(
        "SELECT c.position AS at, m.position, m.envelope FROM events.consumers c"
        " LEFT JOIN LATERAL (SELECT position, envelope FROM events.messages"
        " WHERE position > c.position ORDER BY position LIMIT :limit ::int) m ON true"
        " WHERE c.consumer = :consumer ORDER BY m.position"
    ),
    "SELECT events.messages",
)
_MOVE = statement(
    text(
        "UPDATE events.consumers SET position = greatest(position, :position ::bigint)"
        " WHERE consumer = :consumer"
    ),
    "UPDATE events.consumers",
)


class PostgresPublisher:
    """Writes messages on the connection of whoever publishes, so that only a leader can."""

    keeps_order = True

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def publish(self, messages: Sequence[Outgoing]) -> dict[int, Exception | None]:
        """All of them or, by an exception, none."""
        async with self._connection.transaction():
            await self._connection.execute(
                _PUBLISH,
                positions=[each.position for each in messages],
                ids=[each.event_id for each in messages],
                types=[each.type for each in messages],
                bodies=[each.body.decode() for each in messages],
            )
        await self._connection.execute(RING)
        return dict.fromkeys(each.position for each in messages)

    async def open(self) -> "PostgresPublisher":
        """Ring for what the last publisher may have left without a ring."""
        await self._connection.execute(RING)
        return self

    async def close(self) -> None:
        """The connection is its owner's."""


class PostgresSubscription:
    """Reads after the consumer's position, which moves with what was handled without a gap.

    The relay rings after what it publishes, and once more when it begins to lead; a connection that
    breaks rings as well, and so does a change that another loop of the process finds. So without a
    ring it looks only every `longest_s`."""

    def __init__(self, database: Database, consumer: str, *, longest_s: float = _LONGEST_S) -> None:
        self._database, self._longest_s = database, longest_s
        self._consumer = consumer
        self._bell = Bell()
        changes_of(database).sets(self._bell.rung)
        self._held = AsyncExitStack()
        self._connection: Connection | None = None
        self._at = self._last = 0
        # Whether there may be something to read that nobody will ring for.
        self._has_more = True

    async def _open(self) -> Connection:
        if self._connection is None:
            connection = await self._held.enter_async_context(self._database.connect())
            await connection.listen(MESSAGE_BELL, self._bell.ring)
            self._connection, self._has_more = connection, True
        return self._connection

    async def next(self) -> Sequence[Incoming]:
        """The messages that follow without a gap."""
        try:
            connection = await self._open()
            found = await self._read(connection) if self._has_more else []
            if not found and await self._bell.wait(self._longest_s):
                found = await self._read(connection)
            elif not found:
                self._has_more = True  # a ring may have been lost: it is read the next time
        except BaseException as error:
            # The pool that the connection is of says what it means that it broke.
            await self._let_go().__aexit__(type(error), error, error.__traceback__)
            raise
        return found

    async def _read(self, connection: Connection) -> list[Incoming]:
        rows = await connection.rows(_READ, consumer=self._consumer, limit=BATCH)
        self._at = rows[0]["at"] if rows else 0
        found: list[Incoming] = []
        for place, row in enumerate(rows, self._at + 1):
            if row["position"] != place:
                break
            found.append(Incoming(place, row["envelope"].encode()))
        self._last, self._has_more = self._at + len(found), bool(found)
        return found

    async def settle(self, tx: Connection, handled: Sequence[Incoming]) -> None:
        """Move the position over what was handled without a gap; the rest is read again, and is
        a duplicate by then."""
        done = {each.place for each in handled}
        at = self._at
        while at + 1 in done:
            at += 1
        if at > self._at:
            await tx.execute(_MOVE, consumer=self._consumer, position=at)
        self._has_more = at < self._last or at - self._at == BATCH

    async def acknowledge(self, handled: Sequence[Incoming]) -> None:
        """The position was moved in the transaction."""

    async def give_back(self, unhandled: Sequence[Incoming]) -> None:
        """The position has not moved over them."""
        self._has_more = True

    async def close(self) -> None:
        """Give the connection back."""
        await self._let_go().aclose()

    def _let_go(self) -> AsyncExitStack:
        self._connection, held = None, self._held
        self._held = AsyncExitStack()
        return held
