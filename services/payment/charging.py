"""How money moves: commit the intent, ask the gateway in no transaction, settle what it said."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Literal
from uuid import UUID

import msgspec

from chassis.database.pool import CallerGone, CommitUnknown, Database, DatabaseBusy, DatabaseDown
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, current_traceparent, remaining_s
from services.payment import domain, outcomes, settlement, store
from services.payment.connectors import Connector, GatewayNotSent, GatewayUnknown
from services.payment.domain import ON_CANCEL, OPERATIONS, Charge, Operation, Payment
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import GatewayResult, Silence
from services.payment.store import PaymentStep

logger = logging.getLogger(__name__)

# What is kept of the caller's time for our own commit and the way back.
_RESERVE_S = 0.15
# A cancel that meets a capture is two errands (void, refund); nothing is ever more than three.
_MOST_ERRANDS = 3


class PaymentContext(msgspec.Struct, frozen=True):
    """What taking money needs: the tables, the way to the provider, and how long to wait for it."""

    database: Database
    connector: Connector
    meters: PaymentMetrics
    gateway_timeout_s: float
    probe_base_s: float

    @property
    def grace_s(self) -> float:
        """How long a payment is left to whoever is at it before the prober looks."""
        return self.gateway_timeout_s + self.probe_base_s


class Charged(msgspec.Struct, frozen=True):
    """The payment after a charge; `replayed` when it is the stored answer to this very key."""

    payment: Payment
    replayed: bool


async def charge(desk: PaymentContext, ask: Charge) -> Charged:
    """Take the money once per order. Raises `KeyReused`, `Fenced` or `AmountDiffers`.

    Never decides from a missing answer: what the gateway did not say stays PROCESSING, and the
    prober (or the same request again) asks it with the same key."""
    if (left_s := remaining_s()) is not None and left_s <= 0:
        raise CallerGone
    payment = await _open(desk, ask)
    if payment is None:
        payment = await look(desk, ask.order_id)
        if payment is None:
            raise domain.KeyReused  # the order is new, so the key is another order's
        domain.admit(payment, ask)
    if payment.state != "PROCESSING":
        return Charged(payment, replayed=payment.idempotency_key == ask.idempotency_key)
    payment = await _as_far_as_it_goes(desk, payment, errands=1)
    # A cancel may have overtaken the gateway's answer, and cancel wins.
    domain.admit(payment, ask)
    return Charged(payment, replayed=False)


async def _open(desk: PaymentContext, ask: Charge) -> Payment | None:
    async with desk.database.connect() as connection:
        payment = await store.open_payment(
            connection,
            ask,
            provider=desk.connector.name,
            traceparent=current_traceparent(),
            grace_s=desk.grace_s,
        )
    if payment is not None:
        desk.meters.moved("PROCESSING")
    return payment


async def cancel(desk: PaymentContext, order_id: UUID, reason: str) -> Payment:
    """Void what is open, refund what was taken, and leave a tombstone where there is nothing yet.

    The cancel has won once its first transaction commits; whether it is also over is for
    `contract.cancel_is_acknowledged` to say."""
    payment = await _begin_cancel(desk, order_id, reason)
    return await _as_far_as_it_goes(desk, payment, errands=_MOST_ERRANDS)


async def _begin_cancel(desk: PaymentContext, order_id: UUID, reason: str) -> Payment:
    async with desk.database.begin() as tx:
        payment = await store.plant_tombstone(
            tx, order_id, reason=reason, traceparent=current_traceparent()
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
                step = PaymentStep(payment_to=to, cancel_reason=reason)
                payment = await store.move(tx, payment, step, grace_s=desk.grace_s)
    if moved_to is not None:
        desk.meters.moved(moved_to)
        logger.info("payment %s", moved_to, extra={"order_id": order_id, "reason": reason})
    return payment


async def look(desk: PaymentContext, order_id: UUID) -> Payment | None:
    """The payment as it stands."""
    async with desk.database.connect() as connection:
        return await store.find(connection, order_id)


async def _as_far_as_it_goes(desk: PaymentContext, payment: Payment, *, errands: int) -> Payment:
    """Run errands for a caller who waits. Its intent is committed, so from here on trouble with
    the database is no "nothing was done": the payment is answered as last seen, unfinished."""
    try:
        return await drive(desk, payment, errands=errands)
    except (DatabaseBusy, DatabaseDown, CommitUnknown) as error:
        logger.warning(
            "settling is left to the prober: %s",
            type(error).__name__,
            extra={"order_id": payment.order_id},
        )
        return payment


async def drive(desk: PaymentContext, payment: Payment, *, errands: int = _MOST_ERRANDS) -> Payment:
    """Run the errands of a payment's state until it rests, the gateway is silent, or the time is
    up. All errands together take no longer than one gateway timeout."""
    budget_s = desk.gateway_timeout_s
    if (left_s := remaining_s()) is not None:
        budget_s = min(budget_s, left_s - _RESERVE_S)
    until = time.monotonic() + budget_s
    for _ in range(errands):
        errand = OPERATIONS.get(payment.state)
        left_s = until - time.monotonic()
        if errand is None or left_s <= 0:
            break
        before = payment.state
        payment, _said = await run_operation(desk, payment, errand, left_s)
        if payment.state == before:
            break
    return payment


async def run_operation(
    desk: PaymentContext, payment: Payment, errand: Operation | Literal["lookup"], timeout_s: float
) -> tuple[Payment, GatewayResult]:
    """Ask the gateway one thing about the payment's newest attempt, and settle what it said."""
    said = await _ask(desk, payment, errand, timeout_s)
    payment = await settlement.settle(
        desk.database,
        desk.meters,
        payment.order_id,
        payment.attempt.n,
        said,
        grace_s=desk.grace_s,
    )
    return payment, said


async def _ask(
    desk: PaymentContext, payment: Payment, errand: Operation | Literal["lookup"], timeout_s: float
) -> GatewayResult:
    attempt, said = payment.attempt, None
    with recording.span(f"gateway {errand}", CLIENT) as work:
        try:
            async with asyncio.timeout(timeout_s):
                said = await _call(desk.connector, payment, errand)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            why = str(error) or "no answer in time"
            said = outcomes.when_silent(why, attempt.age_s)
            work.error = work.error or why
        outcome = type(said).__name__.lower()
        work.attributes.update(
            {
                "server.address": desk.connector.name,
                "valerix.order.id": str(payment.order_id),
                "valerix.attempt": attempt.n,
                "valerix.outcome": outcome,
            }
        )
    desk.meters.answered(desk.connector.name, outcome)
    if isinstance(said, Silence):
        logger.warning(
            "the gateway did not answer: %s",
            said.why,
            extra={"order_id": payment.order_id, "errand": errand},
        )
    return said


def _call(
    connector: Connector, payment: Payment, errand: Operation | Literal["lookup"]
) -> Awaitable[GatewayResult]:
    attempt = payment.attempt
    key = domain.gw_key(payment.order_id, attempt.n)
    order_ref = str(payment.order_id)
    match errand:
        case "charge":
            return connector.charge(key, order_ref, attempt.amount_minor, attempt.currency)
        case "void":
            return connector.void(key, order_ref)
        case "refund":
            return connector.refund(key)
        case "lookup":
            return connector.lookup(key)
