"""What is asked of a gateway about a payment, in no transaction, and how far that brings it."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Literal
from uuid import UUID

import msgspec

from chassis.database.pool import Database, DatabaseTrouble
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, remaining_s
from services.payment import settlement
from services.payment.connectors import Connector, GatewayNotSent, GatewayUnknown
from services.payment.domain import OPERATIONS, Attempt, Operation, Payment
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import GatewayResult, Silence

logger = logging.getLogger(__name__)

# What is kept of the caller's time for our own commit and the way back.
_RESERVE_S = 0.15
# A cancel that meets a capture is two operations (void, refund); nothing takes more than three.
MOST_OPERATIONS = 3


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


async def as_far_as_it_goes(context: PaymentContext, payment: Payment, *, most: int) -> Payment:
    """Run operations for a caller who waits. Its intent is committed, so from here on a failure of
    the database does not mean "nothing was done": the answer is the payment as last seen."""
    try:
        return await drive(context, payment, most=most)
    except DatabaseTrouble as error:
        logger.warning(
            "settling is left to the reconciler: %s",
            type(error).__name__,
            extra=payment.named(),
        )
        return payment


async def drive(
    context: PaymentContext, payment: Payment, *, most: int = MOST_OPERATIONS
) -> Payment:
    """Run the operations of a payment's state until none is left, the gateway is silent, or the
    time is up. All operations together take no longer than one gateway timeout."""
    budget_s = context.gateway_timeout_s
    if (left_s := remaining_s()) is not None:
        budget_s = min(budget_s, left_s - _RESERVE_S)
    until = time.monotonic() + budget_s
    for _ in range(most):
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
    attempt = payment.attempt
    result = await _ask(context, payment, attempt, operation, timeout_s)
    payment = await settlement.settle(
        context.database,
        context.metrics,
        payment.id_of(attempt),
        result,
        grace_s=context.grace_s,
    )
    return payment, result


async def _ask(
    context: PaymentContext,
    payment: Payment,
    attempt: Attempt,
    operation: Operation | Literal["lookup"],
    timeout_s: float,
) -> GatewayResult:
    result: GatewayResult
    with recording.span(f"gateway {operation}", CLIENT) as work:
        try:
            async with asyncio.timeout(timeout_s):
                result = await _call(context.connector, payment.payment_id, attempt, operation)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            why = str(error) or "no answer in time"
            # However long it lasts, silence never becomes a no: the capture may have landed (R5).
            result = Silence(why)
            work.error = work.error or why
        outcome = type(result).__name__.lower()
        work.attributes.update(
            {
                "server.address": context.connector.name,
                **span_names(payment),
                "valerix.leg": attempt.leg_n,
                "valerix.attempt": attempt.n,
                "valerix.outcome": outcome,
            }
        )
    context.metrics.answered(context.connector.name, outcome)
    if isinstance(result, Silence):
        logger.warning(
            "the gateway did not answer: %s",
            result.why,
            extra={**payment.named(), "operation": operation},
        )
    return result


def span_names(payment: Payment) -> dict[str, str]:
    """What a span says of the payment it is about."""
    return {f"valerix.{name.replace('_', '.')}": it for name, it in payment.named().items()}


def _call(
    connector: Connector,
    payment_id: UUID,
    attempt: Attempt,
    operation: Operation | Literal["lookup"],
) -> Awaitable[GatewayResult]:
    key, ref = attempt.gw_key, str(payment_id)
    match operation:
        case "charge":
            return connector.charge(key, ref, attempt.amount_minor, attempt.currency)
        case "void":
            return connector.void(key, ref)
        case "refund":
            return connector.refund(key)
        case "lookup":
            return connector.lookup(key)
