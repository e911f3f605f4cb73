"""Finishes what requests could not: claims due orders and drives them, in every replica."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from chassis.database.pool import Database
from chassis.http.outbound import Peer
from chassis.telemetry import recording
from services.order import due_work, store
from services.order.checkout import Checkout
from services.order.domain import Order
from services.order.settings import OrderSettings

logger = logging.getLogger(__name__)

# How many orders one recovery pulls forward, and over how many seconds they are spread.
_WAKE_MOST, _WAKE_SPREAD_S = 500, 2.0
# Confirmed orders waiting here for their stock commit; past that the due time takes over.
_HANDED_MOST = 256
_HANDED_WORKERS = 4
_BREATH_S = 0.02


class Reconciler:
    """Repair traffic: its own connections to the database and to the peers."""

    def __init__(
        self,
        database: Database,
        checkout: Checkout,
        settings: OrderSettings,
        watched: Sequence[Peer],
    ) -> None:
        self._database = database
        self._checkout = checkout
        self._watched = watched
        self._settings = settings
        self._handed: asyncio.Queue[Order] = asyncio.Queue(_HANDED_MOST)
        self._recoveries = 0

    def hand_over(self, order: Order) -> None:
        """Commit a confirmed order's stock soon; if there is no room, its due time will."""
        if not self._handed.full():
            self._handed.put_nowait(order)

    async def run(self) -> None:
        """Claim and drive due orders for ever. One that takes long keeps its own place and nobody
        else's: where one answer in ten is a timeout, whole rounds would all take a timeout."""
        driving: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._wake_after_recovery()
                places = self._settings.repair_connections - len(driving)
                room = min(places, self._settings.reconcile_batch)
                due = await self._claim(room)
                driving |= {asyncio.create_task(self._repair(order_id)) for order_id in due}
                if len(due) < room:
                    await asyncio.sleep(self._settings.reconcile_poll_s)
                else:
                    if room == places:
                        await asyncio.wait(driving, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.sleep(_BREATH_S)
                driving = {task for task in driving if not task.done()}
        finally:
            # Whatever was under way stays due.
            for task in driving:
                task.cancel()
            await asyncio.gather(*driving, return_exceptions=True)

    def handed_workers(self) -> list[Callable[[], Awaitable[None]]]:
        """The loops that commit handed-over orders."""
        return [self._commit_handed] * _HANDED_WORKERS

    async def _claim(self, most: int) -> list[UUID]:
        async with self._database.connect() as connection:
            return await due_work.claim_due(connection, most, self._settings.order_lease_s)

    async def _repair(self, order_id: UUID) -> None:
        try:
            async with self._database.connect() as connection:
                order = await store.find(connection, order_id)
            await self._drive(order)
        except Exception:  # one order's trouble must not stop the others; it stays due
            logger.exception("an order could not be repaired", extra={"order_id": str(order_id)})

    async def _drive(self, order: Order) -> None:
        with recording.span("reconcile order", link=order.traceparent) as work:
            work.attributes["valerix.order.id"] = str(order.id)
            if not order.is_settled:
                until = time.monotonic() + self._settings.request_budget_s
                order = await self._checkout.drive(order, until=until)
            if order.status == "CONFIRMED" and not order.is_done:
                order = await self._checkout.commit_stock(order)
            work.attributes["valerix.order.status"] = order.status

    async def _commit_handed(self) -> None:
        while True:
            order = await self._handed.get()
            try:
                await self._drive(order)
            except Exception:  # it stays due, and the next round takes it
                logger.exception("a stock commit was postponed", extra={"order_id": str(order.id)})

    async def _wake_after_recovery(self) -> None:
        recoveries = sum(peer.recoveries for peer in self._watched)
        if recoveries == self._recoveries:
            return
        self._recoveries = recoveries
        async with self._database.connect() as connection:
            woken = await due_work.wake(connection, most=_WAKE_MOST, spread_s=_WAKE_SPREAD_S)
        if woken:
            logger.info("a dependency is back: %d orders pulled forward", woken)
