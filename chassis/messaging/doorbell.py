"""Rings after commits, so that the relay need not wait for its next poll.

The notification is empty and is sent after the commit, on a connection of its own: inside a writing
transaction it would take a lock of the whole database at commit. Losing it costs a poll."""

import asyncio
from collections.abc import Iterable

from sqlalchemy import text

from chassis.database.pool import Database, statement
from chassis.messaging.transport import OUTBOX_BELL

_RING = statement(text(f"NOTIFY {OUTBOX_BELL}"), "NOTIFY")
# Of many commits one ring: an event may be late by this much, which nobody sees, and a process
# under load rings at most ten times a second.
_COALESCE_S = 0.1


class Doorbell:
    """Rings for what is committed in `pools`, in a transaction or by one statement, through
    `controls`."""

    def __init__(self, controls: Database, pools: Iterable[Database]) -> None:
        self._controls = controls
        self._committed = asyncio.Event()
        for pool in pools:
            pool.after_commit = self._committed.set

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._committed.wait()
            await asyncio.sleep(_COALESCE_S)
            self._committed.clear()
            async with self._controls.connect() as connection:
                await connection.execute(_RING)
