"""How money moves: commit the intent, ask the gateway in no transaction, settle its answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Literal
from uuid import UUID

import msgspec

from chassis.database.pool import CallerGone, Database, DatabaseTrouble
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, current_traceparent, remaining_s
from services.payment import domain, settlement, store
from services.payment.connectors import Connector, GatewayNotSent, GatewayUnknown
from services.payment.domain import ON_CANCEL, OPERATIONS, Charge, MadeBy, Operation, Payment
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import GatewayResult, Silence
from services.payment.store import PaymentStep

logger = logging.getLogger(__name__)

# What is kept of the caller's time for our own commit and the way back.
_RESERVE_S = 0.15
# A cancel that meets a capture is two operations (void, refund); nothing takes more than three.
_MOST_OPERATIONS = 3


class PaymentContext(msgspec.Struct, frozen=True):
    """What taking money needs: the tables, the connector to the provider, and how long to wait."""

    database: Database
    connector: Connector
    metrics: PaymentMetrics
    gateway_timeout_s: float
    probe_base_s: float

    @property
    def grace_s(self) -> float:
        """How long a payment is left to whoever works on it before the reconciler claims it."""
        return self.gateway_timeout_s + self.probe_base_s


class Charged(msgspec.Struct, frozen=True):
    """The payment after a charge; `replayed` when it is the stored answer to this very key."""

    payment: Payment
    replayed: bool


async def charge(context: PaymentContext, command: Charge) -> Charged:
    """Take the money once per order. Raises `KeyReused`, `Fenced` or `AmountDiffers`.

    Never decides from a missing answer: the payment stays PROCESSING, and the reconciler (or the
    same request again) asks the gateway with the same key."""
    if (left_s := remaining_s()) is not None and left_s <= 0:
        raise CallerGone
    payment = await _open(context, command)
    if payment is None:
        payment = await look(context, command.order_id)
        if payment is None:
            raise domain.KeyReused  # the order is new, so the key is another order's
        domain.admit(payment, command)
    if payment.state != "PROCESSING":
        return Charged(payment, replayed=payment.idempotency_key == command.idempotency_key)
    payment = await _as_far_as_it_goes(context, payment, operations=1)
    # A cancel may have overtaken the gateway's answer, and cancel wins.
    domain.admit(payment, command)
    return Charged(payment, replayed=False)


async def _open(context: PaymentContext, command: Charge) -> Payment | None:
    async with context.database.connect() as connection:
        payment = await store.open_payment(
            connection,
            command,
            provider=context.connector.name,
            traceparent=current_traceparent(),
            grace_s=context.grace_s,
        )
    if payment is not None:
        context.metrics.moved("PROCESSING")
    return payment


async def cancel(context: PaymentContext, order_id: UUID, reason: str, asked_by: MadeBy) -> Payment:
    """Void what is open, refund what was taken, and leave a tombstone where there is nothing yet.

    The cancel has won once its first transaction commits; whether it is also over is for
    `contract.cancel_is_acknowledged` to say."""
    payment = await _begin_cancel(context, order_id, reason, asked_by)
    return await _as_far_as_it_goes(context, payment, operations=_MOST_OPERATIONS)


async def _begin_cancel(
    context: PaymentContext, order_id: UUID, reason: str, asked_by: MadeBy
) -> Payment:
    async with context.database.begin() as tx:
        payment = await store.plant_tombstone(
            tx, order_id, reason=reason, made_by=asked_by, traceparent=current_traceparent()
        )
        moved_to: str | None = None
        if payment is not None:
            moved_to = payment.state
        else:
            payment = await store.lock(tx, order_id)
            if payment is None:
                raise LookupError(f"no payment for order {order_id}")
            if to := ON_CANCEL.get(payment.state):
                moved_to = to
                step = PaymentStep(payment_to=to, cancel_reason=reason, cancelled_by=asked_by)
                payment = await store.move(tx, payment, step, grace_s=context.grace_s)
    if moved_to is not None:
        context.metrics.moved(moved_to)
        logger.info("payment %s", moved_to, extra={"order_id": order_id, "reason": reason})
    return payment


async def look(context: PaymentContext, order_id: UUID) -> Payment | None:
    """The payment as it stands."""
    async with context.database.connect() as connection:
        return await store.find(connection, order_id)


async def _as_far_as_it_goes(
    context: PaymentContext, payment: Payment, *, operations: int
) -> Payment:
    """Run operations for a caller who waits. Its intent is committed, so from here on a failure of
    the database does not mean "nothing was done": the answer is the payment as last seen."""
    try:
        return await drive(context, payment, operations=operations)
    except DatabaseTrouble as error:
        logger.warning(
            "settling is left to the reconciler: %s",
            type(error).__name__,
            extra={"order_id": payment.order_id},
        )
        return payment


async def drive(
    context: PaymentContext, payment: Payment, *, operations: int = _MOST_OPERATIONS
) -> Payment:
    """Run the operations of a payment's state until none is left, the gateway is silent, or the
    time is up. All operations together take no longer than one gateway timeout."""
    budget_s = context.gateway_timeout_s
    if (left_s := remaining_s()) is not None:
        budget_s = min(budget_s, left_s - _RESERVE_S)
    until = time.monotonic() + budget_s
    for _ in range(operations):
        operation = OPERATIONS.get(payment.state)
        left_s = until - time.monotonic()
        if operation is None or left_s <= 0:
            break
        before = payment.state
        payment, _ = await run_operation(context, payment, operation, left_s)
        if payment.state == before:
            break
    return payment


async def run_operation(
    context: PaymentContext,
    payment: Payment,
    operation: Operation | Literal["lookup"],
    timeout_s: float,
) -> tuple[Payment, GatewayResult]:
    """Ask the gateway one thing about the payment's newest attempt, and settle its answer."""
    result = await _ask(context, payment, operation, timeout_s)
    payment = await settlement.settle(
        context.database,
        context.metrics,
        payment.order_id,
        payment.attempt.n,
        result,
        grace_s=context.grace_s,
    )
    return payment, result


async def _ask(
    context: PaymentContext,
    payment: Payment,
    operation: Operation | Literal["lookup"],
    timeout_s: float,
) -> GatewayResult:
    attempt = payment.attempt
    result: GatewayResult
    with recording.span(f"gateway {operation}", CLIENT) as work:
        try:
            async with asyncio.timeout(timeout_s):
                result = await _call(context.connector, payment, operation)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            why = str(error) or "no answer in time"
            # However long it lasts, silence never becomes a no: the capture may have landed (R5).
            result = Silence(why)
            work.error = work.error or why
        outcome = type(result).__name__.lower()
        work.attributes.update(
            {
                "server.address": context.connector.name,
                "valerix.order.id": str(payment.order_id),
                "valerix.attempt": attempt.n,
                "valerix.outcome": outcome,
            }
        )
    context.metrics.answered(context.connector.name, outcome)
    if isinstance(result, Silence):
        logger.warning(
            "the gateway did not answer: %s",
            result.why,
            extra={"order_id": payment.order_id, "operation": operation},
        )
    return result


def _call(
    connector: Connector, payment: Payment, operation: Operation | Literal["lookup"]
) -> Awaitable[GatewayResult]:
    attempt = payment.attempt
    key = domain.gw_key(payment.order_id, attempt.n)
    order_ref = str(payment.order_id)
    match operation:
        case "charge":
            return connector.charge(key, order_ref, attempt.amount_minor, attempt.currency)
        case "void":
            return connector.void(key, order_ref)
        case "refund":
            return connector.refund(key)
        case "lookup":
            return connector.lookup(key)
