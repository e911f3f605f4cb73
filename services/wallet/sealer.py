"""Seals what came in: each credit gets its version, the balance and its link in the wallet's chain.

Credits are written without a lock, so that any number of people can pay one wallet at once; what
puts them in a row is this one loop. A database that is away, or a process that dies, leaves them
unsealed: they are shown as pending until the next round."""

import asyncio
import logging

from chassis.database.pace import PollPace
from chassis.database.pool import Database
from services.wallet import store

logger = logging.getLogger(__name__)

# A wallet is locked while some of its credits are sealed: 5 ms for so many.
_CREDITS_AT_ONCE = 200
_WALLETS_A_ROUND = 64


class Sealer:
    """One loop in every replica; those beside the first find nothing to do."""

    def __init__(self, database: Database, every_s: float) -> None:
        self._database = database
        self._pace = PollPace(database, every_s)
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Somebody has just put money in; the next round need not wait."""
        self._bell.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            if await self.seal_once() == 0:
                waits = [
                    asyncio.create_task(each) for each in (self._pace.wait(), self._bell.wait())
                ]
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in waits:
                        each.cancel()
                self._bell.clear()

    async def seal_once(self) -> int:
        """One round; how many credits were sealed."""
        sealed = 0
        async with self._database.connect() as connection:
            for account_id in await store.unsealed_wallets(connection, _WALLETS_A_ROUND):
                sealed += await store.seal(connection, account_id, _CREDITS_AT_ONCE)
        if sealed:
            logger.debug("sealed %d credits", sealed)
        return sealed
