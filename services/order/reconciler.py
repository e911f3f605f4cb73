"""Finishes what requests could not: claims due orders and drives them, in every replica."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from chassis.database.pool import Connection, Database, log_failure
from chassis.due_work import DueWorker
from chassis.http.outbound import Peer
from chassis.telemetry import recording
from services.order import store
from services.order.checkout import Checkout
from services.order.domain import Order
from services.order.due_work import ORDERS_DUE
from services.order.settings import OrderSettings

logger = logging.getLogger(__name__)

# How many orders one recovery pulls forward, and over how many seconds they are spread.
_WAKE_MOST, _WAKE_SPREAD_S = 500, 2.0
# Confirmed orders waiting here for their stock commit; past that the due time takes over.
_HANDED_MOST = 256
# How long the first of them waits for others, and how many are sold in one request.
_GATHER_S, _TOGETHER_MOST = 0.25, 64


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

    def workers(self) -> list[Callable[[], Awaitable[None]]]:
        """The loops: one claims what is due, the other commits what was handed over."""
        due = DueWorker(
            self._database,
            self._claim,
            self._repair,
            places=self._settings.repair_connections,
            batch=self._settings.reconcile_batch,
            poll_s=self._settings.reconcile_poll_s,
            before_claim=self._wake_after_recovery,
            log_key="order_id",
            is_any=ORDERS_DUE.is_any,
        )
        return [due.run, self._commit_handed]

    async def _claim(self, c: Connection, most: int) -> list[UUID]:
        return await ORDERS_DUE.claim(c, most, lease_s=self._settings.order_lease_s)

    async def _repair(self, order_id: UUID) -> None:
        async with self._database.connect() as connection:
            order = await store.find(connection, order_id)
        await self._drive(order)

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
            orders = [await self._handed.get()]
            await asyncio.sleep(_GATHER_S)
            while len(orders) < _TOGETHER_MOST and not self._handed.empty():
                orders.append(self._handed.get_nowait())
            try:
                await self._sell(orders)
            except Exception as error:  # noqa: BLE001 - they stay due, and later claims take them
                count = str(len(orders))
                log_failure(logger, "stock commits were postponed", error, orders=count)

    async def _sell(self, orders: Sequence[Order]) -> None:
        with recording.span("sell goods", link=orders[0].traceparent) as work:
            work.attributes["valerix.orders"] = len(orders)
            await self._checkout.commit_stocks(orders)

    async def _wake_after_recovery(self) -> None:
        recoveries = sum(peer.recoveries for peer in self._watched)
        if recoveries == self._recoveries:
            return
        self._recoveries = recoveries
        async with self._database.connect() as connection:
            woken = await ORDERS_DUE.wake(connection, most=_WAKE_MOST, spread_s=_WAKE_SPREAD_S)
        if woken:
            logger.info("a dependency is back: %d orders pulled forward", woken)
