"""The embedded transport: messages are rows, read by position; PostgreSQL is all it needs.

Positions are gapless, and a reader takes only what follows its own without a gap: an id that was
given out first and committed last is never passed over."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from sqlalchemy import text

from chassis.database.pool import Connection, Database, statement
from chassis.messaging.bell import Bell
from chassis.messaging.transport import BATCH, MESSAGE_BELL, Incoming, Outgoing

_PUBLISH = statement(
    text(
        "INSERT INTO events.messages (position, event_id, type, envelope)"
        " SELECT * FROM unnest(:positions ::bigint[], :ids ::uuid[], :types ::text[],"
        " :bodies ::text[]) ON CONFLICT (position) DO NOTHING"
    ),
    "INSERT events.messages",
)
_RING = statement(text(f"NOTIFY {MESSAGE_BELL}"), "NOTIFY")
_CURSOR = statement(
    text("SELECT position FROM events.consumers WHERE consumer = :consumer"),
    "SELECT events.consumers",
)
_READ = statement(
    text(
        "SELECT position, envelope FROM events.messages WHERE position > :after ::bigint"
        " ORDER BY position LIMIT :limit ::int"
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
        await self._connection.execute(_RING)
        return dict.fromkeys(each.position for each in messages)

    async def close(self) -> None:
        """The connection is its owner's."""


class PostgresSubscription:
    """Reads after the consumer's position, which moves with what was handled without a gap."""

    def __init__(self, database: Database, consumer: str) -> None:
        self._database = database
        self._consumer = consumer
        self._bell = Bell()
        self._held = AsyncExitStack()
        self._connection: Connection | None = None
        self._at = 0

    async def _open(self) -> Connection:
        if self._connection is None:
            connection = await self._held.enter_async_context(self._database.connect())
            await connection.listen(MESSAGE_BELL, self._bell.ring)
            self._connection = connection
        return self._connection

    async def next(self) -> Sequence[Incoming]:
        """The messages that follow without a gap."""
        try:
            connection = await self._open()
            found = await self._read(connection)
            if not found:
                await self._bell.wait()
                found = await self._read(connection)
        except BaseException:
            await self._let_go()
            raise
        return found

    async def _read(self, connection: Connection) -> list[Incoming]:
        cursor = await connection.row(_CURSOR, consumer=self._consumer)
        self._at = cursor["position"] if cursor else 0
        rows = await connection.rows(_READ, after=self._at, limit=BATCH)
        found = []
        for place, row in enumerate(rows, self._at + 1):
            if row["position"] != place:
                break
            found.append(Incoming(place, row["envelope"].encode()))
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

    async def acknowledge(self, handled: Sequence[Incoming]) -> None:
        """The position was moved in the transaction."""

    async def give_back(self, unhandled: Sequence[Incoming]) -> None:
        """The position has not moved over them."""

    async def close(self) -> None:
        """Give the connection back."""
        await self._let_go()

    async def _let_go(self) -> None:
        self._connection = None
        held, self._held = self._held, AsyncExitStack()
        await held.aclose()
