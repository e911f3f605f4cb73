"""Drives an order to its end, one durable step at a time, whoever is driving and however often.

Every step asks another service something that is safe to ask again (keyed by the order), and then
records the conclusion by compare-and-set. A request drives until its time is up and hands over;
the reconciler drives the rest. Two drivers on one order are harmless."""

import logging
import random
import time
from collections.abc import Callable, Sequence

import msgspec

from chassis.database.pool import Database, DatabaseTrouble
from chassis.due_work import Backoff
from chassis.telemetry.context import current_traceparent
from services.inventory.client import Hold, InventoryClient
from services.order import store
from services.order.contract import Reason, Status
from services.order.domain import Order
from services.order.metrics import OrderMetrics
from services.order.settings import OrderSettings
from services.payment.client import (
    Cancelled,
    ContractBreach,
    NotSent,
    PaymentClient,
    PaymentDeclined,
    PaymentFenced,
    PaymentFound,
    Succeeded,
    Unknown,
)

logger = logging.getLogger(__name__)

# PENDING -> held -> paid -> committed is four; reloads after a lost race need a few more.
_MOST_STEPS = 12


class Conclusion(msgspec.Struct, frozen=True):
    """What a step concludes: the state to record, and whether the next step must wait."""

    to: Status
    reason: Reason | None = None
    outcome: str | None = None
    waits: bool = False


class Checkout:
    """The order protocol. Collaborators are given, so that a test can replace the wire."""

    def __init__(
        self,
        database: Database,
        inventory: InventoryClient,
        payments: PaymentClient,
        settings: OrderSettings,
        metrics: OrderMetrics,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self.inventory = inventory
        self.payments = payments
        self._settings = settings
        self._metrics = metrics
        self._backoff = Backoff(settings.reconcile_backoff_s, settings.reconcile_backoff_max_s)
        self._chance = chance

    async def drive(self, order: Order, *, until: float) -> Order:
        """Move the order as far as it goes before the monotonic time `until`.

        Returns the order as it then is. Raises what the database raises; the order stays due."""
        for _ in range(_MOST_STEPS):
            if order.is_settled:
                break
            left_s = until - time.monotonic()
            if left_s <= 0:
                break
            conclusion = await self._step(order, until)
            moved = await self._record(order, conclusion)
            if moved is None:
                # Another driver decided first: go on from its decision.
                order = await self._reload(order)
                continue
            order = moved
            if conclusion.waits:
                break
        return order

    async def drive_for_caller(self, order: Order, *, until: float) -> Order:
        """`drive` for a caller who waits, after their intent is committed: from then on a failure
        never means "nothing was done". The answer is the order as last seen; it stays due."""
        try:
            return await self.drive(order, until=until)
        except DatabaseTrouble as error:
            # Ordinary under load, when one stack trace per order would add to the load.
            why = type(error).__name__
            extra = {"order_id": str(order.id)}
            logger.warning("handed over to the reconciler: %s", why, extra=extra)
        except Exception:
            logger.exception("handed over to the reconciler", extra={"order_id": str(order.id)})
        return order

    async def commit_stocks(self, orders: Sequence[Order]) -> None:
        """Mark the goods of several confirmed orders as sold, in one request. One that inventory
        does not sell stays due, and is then asked about alone."""
        sold = await self.inventory.commit_many(
            [order.id for order in orders], deadline_s=self._settings.peer_deadline_s
        )
        async with self._database.connect() as connection:
            if sold is None:
                await store.postpone_many(connection, orders, self._backoff_s(orders[0]))
                return
            traceparent = current_traceparent()
            done = [order for order in orders if order.id in sold]
            await store.mark_many_committed(connection, done, traceparent=traceparent)

    async def commit_stock(self, order: Order) -> Order:
        """Mark a confirmed order's goods as sold in inventory; repeated until it confirms."""
        result = await self.inventory.commit(order.id, deadline_s=self._settings.peer_deadline_s)
        async with self._database.connect() as connection:
            if result.hold is Hold.COMMITTED:
                traceparent = current_traceparent()
                sold = await store.mark_committed(connection, order, traceparent=traceparent)
                return sold or order
            if result.hold is Hold.CONTRACT:
                self._alarm(order, "commit", result.code)
            await store.postpone(connection, order, self._backoff_s(order))
        return order

    async def cancel(self, order: Order, by: str) -> Order | None:
        """Decide for a user that the order ends; None when someone else decided first."""
        return await self._record(order, Conclusion("CANCELLING", "USER_CANCELLED"), by=by)

    async def _step(self, order: Order, until: float) -> Conclusion:
        deadline_s = self._deadline_s(until)
        if order.status == "CANCELLING":
            return await self._undo(order, deadline_s)
        if order.status == "PENDING_PAYMENT":
            if order.overdue:
                return await self._last_look(order, deadline_s)
            return await self._charge(order, deadline_s)
        if order.overdue and not await self._may_be_paid(order, deadline_s):
            return Conclusion("CANCELLING", "INVENTORY_TIMEOUT")
        goods = await self._reserve(order, deadline_s)
        # That the goods are held needs no commit of its own while the same driver goes on: whoever
        # finds a PENDING order asks for both again, and both answer again what they answered.
        if goods.to != "PENDING_PAYMENT" or order.status != "PENDING":
            return goods
        deadline_s = self._deadline_s(until)
        return await self._charge(order, deadline_s) if deadline_s > 0 else goods

    async def _reserve(self, order: Order, deadline_s: float) -> Conclusion:
        result = await self.inventory.reserve(
            order.id, order.product_id, order.quantity, deadline_s=deadline_s
        )
        match result.hold:
            case Hold.HELD | Hold.COMMITTED:
                return Conclusion("PENDING_PAYMENT")
            case Hold.REJECTED:
                return Conclusion("FAILED", "OUT_OF_STOCK")
            case Hold.UNKNOWN | Hold.NOT_SENT:
                return Conclusion("PENDING_INVENTORY", outcome=result.code, waits=True)
        # Fenced without a cancel of ours, or refused as invalid: it can never succeed.
        self._alarm(order, "reserve", result.code)
        return Conclusion("CANCELLING", "INTERNAL_CONTRACT", result.code)

    async def _charge(self, order: Order, deadline_s: float) -> Conclusion:
        result = await self.payments.charge(
            order.payment_id,
            order.id,
            order.amount_minor,
            order.currency,
            deadline_s=deadline_s,
            wallet_id=order.wallet_id,
            owner=order.owner,
        )
        match result:
            case Succeeded():
                return Conclusion("CONFIRMED")
            case PaymentDeclined(code):
                return Conclusion("CANCELLING", "PAYMENT_DECLINED", code)
            case PaymentFenced():
                return Conclusion("CANCELLING", "PAYMENT_CANCELLED", "fenced")
            case ContractBreach(_, code):
                self._alarm(order, "charge", code)
                return Conclusion("CANCELLING", "INTERNAL_CONTRACT", code)
            case Unknown(why) | NotSent(why):
                return Conclusion("PENDING_PAYMENT", outcome=why, waits=True)
        return Conclusion("PENDING_PAYMENT", outcome="processing", waits=True)

    async def _may_be_paid(self, order: Order, deadline_s: float) -> bool:
        """Whether somebody has come as far as the charge, and died before that was recorded."""
        if order.status != "PENDING":
            return False
        found = await self.payments.get(order.payment_id, deadline_s=deadline_s)
        return isinstance(found, PaymentFound) and found.payment.state == "SUCCEEDED"

    async def _last_look(self, order: Order, deadline_s: float) -> Conclusion:
        """The deadline has passed: a success that came meanwhile still counts (rule R5)."""
        result = await self.payments.get(order.payment_id, deadline_s=deadline_s)
        if isinstance(result, PaymentFound) and result.payment.state == "SUCCEEDED":
            return Conclusion("CONFIRMED")
        return Conclusion("CANCELLING", "PAYMENT_TIMEOUT")

    async def _undo(self, order: Order, deadline_s: float) -> Conclusion:
        """Rule R8: the money is settled first; goods are never freed while it is in doubt."""
        until = time.monotonic() + deadline_s
        money = await self.payments.cancel(
            order.payment_id, order.id, "ORDER_CANCELLED", deadline_s=deadline_s,
            owner=order.owner,
        )  # fmt: skip
        if not isinstance(money, Cancelled):
            if isinstance(money, ContractBreach):
                self._alarm(order, "cancel", money.code)
            return Conclusion("CANCELLING", outcome=type(money).__name__.lower(), waits=True)
        goods = await self.inventory.release(order.id, deadline_s=until - time.monotonic())
        if goods.hold in (Hold.RELEASED, Hold.REJECTED):
            return Conclusion("FAILED")
        if goods.hold is Hold.CONTRACT:
            self._alarm(order, "release", goods.code)
        return Conclusion("CANCELLING", outcome=goods.code, waits=True)

    async def _record(
        self, order: Order, conclusion: Conclusion, *, by: str | None = None
    ) -> Order | None:
        next_s = self._backoff_s(order) if conclusion.waits else self._settings.order_lease_s
        async with self._database.connect() as connection:
            moved = await store.move(
                connection, order, conclusion.to, next_s=next_s, reason=conclusion.reason,
                outcome=conclusion.outcome, traceparent=current_traceparent(), by=by,
            )  # fmt: skip
        if moved is not None:
            self._metrics.moved(order, moved)
        return moved

    async def _reload(self, order: Order) -> Order:
        async with self._database.connect() as connection:
            return await store.find(connection, order.id)

    def _deadline_s(self, until: float) -> float:
        return min(until - time.monotonic(), self._settings.peer_deadline_s)

    def _backoff_s(self, order: Order) -> float:
        return self._backoff.delay_s(order.attempts, self._chance())

    def _alarm(self, order: Order, operation: str, code: str) -> None:
        self._metrics.contract_alarms.inc()
        logger.error(
            "another service refused a request that it should accept",
            extra={"order_id": str(order.id), "operation": operation, "code": code},
        )
