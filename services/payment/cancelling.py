"""How a payment ends: a cancel wins over every charge that comes after it, and gives money back."""

import logging
from uuid import UUID

import msgspec

from chassis.database.pool import Connection
from chassis.telemetry.context import current_traceparent
from services.payment import domain, intents, operations, store
from services.payment.context import PaymentContext
from services.payment.domain import ON_CANCEL, MadeBy, Payment
from services.payment.store import PaymentMove

logger = logging.getLogger(__name__)


class Cancel(msgspec.Struct, frozen=True):
    """The command: end this payment, and if `order_id` says whose it is, whatever that order pays
    with."""

    payment_id: UUID
    order_id: UUID | None
    reason: str
    asked_by: MadeBy
    # Whose the payment would be, where there is none yet.
    owner: str = "anonymous"


async def cancel(context: PaymentContext, command: Cancel) -> Payment:
    """Void what is open, refund what was taken, and leave a tombstone where there is nothing yet.
    Raises `AnotherPayment` where the payment is another order's.

    The cancel has won once its first transaction commits; whether it is also over is for
    `contract.cancel_is_acknowledged` to say."""
    payment = await _begin_cancel(context, command)
    return await operations.as_far_as_it_goes(context, payment, most=operations.MOST_ROUNDS)


async def _begin_cancel(context: PaymentContext, command: Cancel) -> Payment:
    async with context.database.begin() as tx:
        payment = await intents.plant_tombstone(
            tx,
            command.payment_id,
            command.order_id,
            reason=command.reason,
            made_by=command.asked_by,
            owner=command.owner,
            traceparent=current_traceparent(),
        )
        moved_to: str | None = None
        if payment is not None:
            moved_to = payment.state
        else:
            payment = await _to_cancel(tx, command)
            if to := ON_CANCEL.get(payment.state):
                moved_to = to
                step = PaymentMove(
                    payment_to=to, cancel_reason=command.reason, cancelled_by=command.asked_by
                )
                payment = await store.move(tx, payment, step, grace_s=context.grace_s)
                if len(payment.newest) > 1:
                    await store.order_refunds(tx, payment.payment_id)
    if moved_to is not None:
        context.metrics.moved(moved_to)
        logger.info("payment %s", moved_to, extra={**payment.named(), "reason": command.reason})
    return payment


async def _to_cancel(tx: Connection, command: Cancel) -> Payment:
    """The payment that is cancelled, locked: the one that was named, or the one that the order has
    instead of it, because somebody made it by hand."""
    payment_id = command.payment_id
    payment = await store.lock(tx, payment_id)
    if payment is None and command.order_id is not None:
        other = await store.find_of_order(tx, command.order_id)
        payment = other and await store.lock(tx, other.payment_id)
    if payment is None:
        raise LookupError(f"no payment {payment_id}")
    if command.order_id is not None and payment.order_id not in (None, command.order_id):
        raise domain.AnotherPayment
    return payment
