"""How soon a loop looks into the database again: often while there is work, otherwise only after
somebody wrote.

What a process writes it knows of by itself. What others wrote, and perhaps did not finish, all its
loops learn by one question now and then, for which none of them reads a table."""

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from weakref import WeakSet

from sqlalchemy import text

from chassis.database.pool import Database, DatabaseTrouble, statement

# Shorter than the leases of orders and of payments from wallets, six seconds: a row of a replica
# that died is known before it is due, and is then looked for often. Shorter, too, than the ten
# seconds after which a pool closes a connection that nobody used: to open one costs more than to
# keep it.
CHANGES_EVERY_S = 5.0
# What several ask for at about the same time is asked once.
_JUST_S = 1.0
# The same name sees the same rows, of one server between two of its starts.
_SNAPSHOT = statement(
    text("SELECT concat(pg_postmaster_start_time(), ' ', pg_current_snapshot()) AS name"),
    "SELECT pg_current_snapshot",
)


class Changes:
    """Of one database, for a whole process: whether anybody has written anything."""

    def __init__(self) -> None:
        self._seen = ""
        # Whoever waits has just looked.
        self._asked_at = self._changed_at = time.monotonic()
        self._events: WeakSet[asyncio.Event] = WeakSet()

    def sets(self, event: asyncio.Event) -> None:
        """Set the event whenever there may be something new, while somebody waits."""
        self._events.add(event)

    async def wait(
        self, database: Database, event: asyncio.Event, longest_s: float = math.inf
    ) -> None:
        """Until the event is set, which is one that this sets, or `longest_s` have passed."""
        until = time.monotonic() + longest_s
        while not event.is_set() and (now := time.monotonic()) < until:
            left_s = min(until, self._asked_at + CHANGES_EVERY_S) - now
            if left_s <= 0:
                # So that the first request after a rest finds a connection open.
                await self._ask(database.largest)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await event.wait()

    async def still_s(self, database: Database) -> float:
        """For how many seconds nobody has written anything, as far as was asked."""
        if time.monotonic() - self._asked_at > _JUST_S:
            await self._ask(database)
        return time.monotonic() - self._changed_at

    async def _ask(self, database: Database) -> None:
        """Once for all."""
        # A question that fails, or is cancelled, counts as a change: the loops find out more.
        self._asked_at, before, self._seen = time.monotonic(), self._seen, ""
        try:
            with contextlib.suppress(DatabaseTrouble):
                async with database.connect() as connection:
                    row = await connection.row(_SNAPSHOT)
                self._seen = row["name"] if row is not None else ""
        finally:
            if not self._seen or self._seen != before:
                self._changed_at = time.monotonic()
                for event in self._events:
                    event.set()


_changes: defaultdict[str, Changes] = defaultdict(Changes)


def changes_of(database: Database) -> Changes:
    """What this process asks of the database, whichever pool it asks on."""
    return _changes[database.url]


class PollPace:
    """Of one loop. It looks `often_s` after anybody wrote, or every `longest_s` for what comes with
    time or from elsewhere."""

    def __init__(self, database: Database, often_s: float, *, longest_s: float = math.inf) -> None:
        self._database = database
        self._often_s, self._longest_s = often_s, longest_s
        self._written = database.written()
        self._changes = changes_of(database)
        self._changes.sets(self._written)
        # The first look may have come before anything could be heard.
        self._written.set()

    async def wait(self, *, is_quiet: bool = True) -> None:
        """Until the next look. `is_quiet`: the last one found nothing that would change by itself;
        what was written while it looked counts as not seen."""
        if is_quiet:
            await self._changes.wait(self._database, self._written, self._longest_s - self._often_s)
        # What is written until the look begins is seen by it.
        await asyncio.sleep(self._often_s)
        self._written.clear()
