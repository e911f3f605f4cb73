"""Writes down what a gateway said: the only writer of outcomes, whoever asked and however often."""

import logging
from itertools import zip_longest
from uuid import UUID

import msgspec

from chassis.database.pool import Connection, Database
from services.payment import outcomes, store
from services.payment.domain import Payment
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import Declined, GatewayResult, OutcomeEffect, Silence
from services.payment.store import PaymentStep

logger = logging.getLogger(__name__)


async def settle(
    database: Database,
    meters: PaymentMetrics,
    order_id: UUID,
    n: int,
    outcome: GatewayResult,
    *,
    grace_s: float,
) -> Payment:
    """Apply `outcome` to attempt `n` of the order's payment: states, ledger and reasons in one
    transaction under the payment's row lock. Late, repeated and concurrent outcomes are harmless.

    Used by the charge's own answer, the prober, the cancel and the sweep alike; `grace_s` is how
    long the prober leaves what is not finished yet to the caller. Returns the payment as it is."""
    async with database.begin() as tx:
        before = await store.lock(tx, order_id)
        if before is None:
            raise LookupError(f"no payment for order {order_id}")
        attempt = next(attempt for attempt in before.tries if attempt.n == n)
        effect = outcomes.outcome_effect(before, attempt, outcome)
        after = await _apply(tx, before, n, effect, outcome, grace_s)
        wants_human = bool(effect.review) and await store.flag(tx, order_id)
    if wants_human:
        logger.error(
            "a payment needs a human: %s",
            effect.review,
            extra={"order_id": order_id, "attempt": n, "state": before.state},
        )
    for state in effect.payment_path:
        meters.moved(state)
        logger.info("payment %s", state, extra={"order_id": order_id, "attempt": n})
    return after


async def _apply(
    tx: Connection,
    payment: Payment,
    n: int,
    effect: OutcomeEffect,
    outcome: GatewayResult,
    grace_s: float,
) -> Payment:
    code = outcome.code if isinstance(outcome, Declined) else None
    last = max(len(effect.attempt_path), len(effect.payment_path)) - 1
    steps = zip_longest(effect.attempt_path, effect.payment_path)
    for at, (attempt_to, payment_to) in enumerate(steps):
        step = PaymentStep(
            n=n,
            attempt_to=attempt_to,
            detail=_why(outcome),
            payment_to=payment_to,
            decline_code=code,
            lines=effect.lines if at == last else (),
        )
        payment = await store.move(tx, payment, step, grace_s=grace_s)
    if effect.review:
        payment = msgspec.structs.replace(payment, needs_review=True)
    return payment


def _why(outcome: GatewayResult) -> str | None:
    match outcome:
        case Declined(code):
            return code
        case Silence(why):
            return why[:200]
    return None
