"""Records what a gateway answered: the only writer of outcomes, whoever asked and how often."""

import logging
from itertools import zip_longest

import msgspec

from chassis.database.pool import Connection, Database
from services.payment import outcomes, store
from services.payment.domain import AttemptId, Payment
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import Declined, GatewayResult, OutcomeEffect, Silence
from services.payment.store import PaymentStep

logger = logging.getLogger(__name__)


async def settle(
    database: Database,
    metrics: PaymentMetrics,
    attempt: AttemptId,
    outcome: GatewayResult,
    *,
    grace_s: float,
) -> Payment:
    """Apply `outcome` to an attempt and its payment: states, ledger and reasons in one
    transaction under the payment's row lock. Late, repeated and concurrent outcomes are harmless.

    Used by the charge, the reconciler, the cancel and the late captures alike; `grace_s` is how
    long the reconciler leaves what is not finished to the caller. Returns the payment as it is."""
    async with database.begin() as tx:
        before = await store.lock(tx, attempt.payment_id)
        if before is None:
            raise LookupError(f"no payment {attempt.payment_id}")
        effect = outcomes.outcome_effect(before, before.find(attempt), outcome)
        after = await _apply(tx, before, attempt, effect, outcome, grace_s)
        wants_human = bool(effect.review) and await store.flag(tx, attempt.payment_id)
    about = {**after.named(), "leg": attempt.leg_n, "attempt": attempt.n}
    if wants_human:
        logger.error(
            "a payment needs a human: %s", effect.review, extra={**about, "state": before.state}
        )
    for state in effect.payment_path:
        metrics.moved(state)
        logger.info("payment %s", state, extra=about)
    return after


async def _apply(
    tx: Connection,
    payment: Payment,
    attempt: AttemptId,
    effect: OutcomeEffect,
    outcome: GatewayResult,
    grace_s: float,
) -> Payment:
    code = outcome.code if isinstance(outcome, Declined) else None
    last = max(len(effect.attempt_path), len(effect.payment_path)) - 1
    steps = zip_longest(effect.attempt_path, effect.payment_path)
    for at, (attempt_to, payment_to) in enumerate(steps):
        step = PaymentStep(
            attempt=attempt,
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
