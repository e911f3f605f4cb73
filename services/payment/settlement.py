"""Records what a gateway answered: the only writer of outcomes, whoever asked and how often."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from chassis.database.pool import Connection, Database
from gateways import Declined
from services.payment import legs, outcomes, store
from services.payment.breakers import store as breakers
from services.payment.domain import Attempt, AttemptId, DecisionKind, Payment
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import GatewayResult, NeverSent, OutcomeEffect, Silence
from services.payment.routing.next_account import Next
from services.payment.store import PaymentMove

logger = logging.getLogger(__name__)


Route = Callable[[Payment, Attempt, str, Collection[str]], Next | None]
Replan = Callable[[Connection, Payment], Awaitable[Payment | None]]
Within = Callable[[Connection], Awaitable[None]]


def _no_other(
    payment: Payment, attempt: Attempt, code: str, closed_to_new: Collection[str]
) -> None:
    """No leg goes anywhere else."""


async def _no_plan(tx: Connection, payment: Payment) -> None:
    """What came to nothing stays so."""


class _Settled(msgspec.Struct, frozen=True):
    """What was written: the payment and its attempt as they were, and what became of them."""

    before: Payment
    attempt: Attempt
    after: Payment
    effect: OutcomeEffect
    fee_minor: int | None = None
    wants_human: bool = False


async def settle(
    database: Database,
    metrics: PaymentMetrics,
    attempt: AttemptId,
    outcome: GatewayResult,
    *,
    grace_s: float,
    seen: Payment | None = None,
    route: Route = _no_other,
    replan: Replan = _no_plan,
    also: Within | None = None,
) -> Payment:
    """Apply `outcome` to an attempt and its payment: states, ledger and reasons in one
    transaction under the payment's row lock. Late, repeated and concurrent outcomes are harmless.

    Used by the charge, the reconciler, the cancel, the late captures and the provider's events
    alike; `grace_s` is how long the reconciler leaves what is not finished to the caller; `seen` is
    the payment as the caller saw it last: where it still stands so, and one step is all there is to
    do, one statement does it; `route`
    says which account a leg goes to after a definite no, of those whose breaker is closed; `replan`
    opens another plan in place of one that came to nothing, if there is one; `also` is written in
    the same transaction. Returns the payment as it is."""
    settled = None
    if seen is not None and (step := _one_step(seen, attempt, outcome)) is not None:
        settled = await _as_seen(database, seen, *step, grace_s=grace_s)
    if settled is None:
        async with database.begin() as tx:
            settled = await _under_lock(tx, attempt, outcome, grace_s, route, replan)
            if also is not None:
                await also(tx)
    _report(metrics, attempt, settled)
    return settled.after


def _one_step(
    seen: Payment, attempt: AttemptId, outcome: GatewayResult
) -> tuple[PaymentMove, OutcomeEffect] | None:
    """The step of a payment in one leg, asked for once, that this outcome brings to its end, and
    nothing else depends on it: it can go nowhere else, and no plan said what it costs."""
    found = seen.find(attempt)
    if len(seen.attempts) > 1 or found.fallbacks or found.method is not None:
        return None
    effect = outcomes.outcome_effect(seen, found, outcome)
    if (len(effect.attempt_path), len(effect.payment_path)) != (1, 1):
        return None
    if effect.decision is not None or _can_be_replaced(seen, attempt, effect):
        return None
    return next(_steps(seen, attempt, effect, outcome)), effect


async def _as_seen(
    database: Database, seen: Payment, step: PaymentMove, effect: OutcomeEffect, *, grace_s: float
) -> _Settled | None:
    """Take the step, if the payment and its attempt are still as they were seen."""
    async with database.connect() as connection:
        after = await store.move_as_seen(connection, seen, step, grace_s=grace_s)
    return None if after is None else _Settled(seen, seen.attempt, after, effect)


async def _under_lock(
    tx: Connection,
    attempt: AttemptId,
    outcome: GatewayResult,
    grace_s: float,
    route: Route,
    replan: Replan,
) -> _Settled:
    before = await store.lock(tx, attempt.payment_id)
    if before is None:
        raise LookupError(f"no payment {attempt.payment_id}")
    found = before.find(attempt)
    further = await _further(tx, before, found, outcome, route)
    effect = outcomes.outcome_effect(before, found, outcome, further)
    after, effect = await _moved(tx, before, attempt, effect, outcome, grace_s, replan)
    if len(after.newest) > 1 and legs.direction(after) != "take":
        await store.order_refunds(tx, after.payment_id)
    fee_minor = await _fee(tx, before, found, effect)
    wants_human = bool(effect.review) and await store.flag(tx, attempt.payment_id)
    return _Settled(before, found, after, effect, fee_minor, wants_human)


def _report(metrics: PaymentMetrics, attempt: AttemptId, settled: _Settled) -> None:
    """Count it, and say it in the log."""
    before, after, effect = settled.before, settled.after, settled.effect
    about = {**after.named(), "leg": attempt.leg_n, "attempt": attempt.n}
    if settled.wants_human:
        logger.error(
            "a payment needs a human: %s", effect.review, extra={**about, "state": before.state}
        )
    if after.plan_n > before.plan_n:
        logger.info("plan %s takes the place of the one before", after.plan_n, extra=about)
    if effect.decision is not None:
        logger.info("decided to %s all legs of a payment", effect.decision, extra=about)
    _count(metrics, settled.attempt, effect, settled.fee_minor)
    for state in effect.payment_path:
        logger.info("payment %s", state, extra=about)


async def _further(
    tx: Connection, payment: Payment, attempt: Attempt, outcome: GatewayResult, route: Route
) -> Next | None:
    """Where the leg goes on after a definite no that allows it."""
    code = outcomes.allows_another(payment, attempt, outcome)
    if not code or not attempt.fallbacks:
        return None
    return route(payment, attempt, code, await breakers.closed_to_new(tx))


async def _moved(
    tx: Connection,
    before: Payment,
    attempt: AttemptId,
    effect: OutcomeEffect,
    outcome: GatewayResult,
    grace_s: float,
    replan: Replan,
) -> tuple[Payment, OutcomeEffect]:
    """The payment after all that `effect` does, and what of it was done: a payment does not fail
    while another plan takes the place of the one that came to nothing."""
    replaceable = _can_be_replaced(before, attempt, effect)
    first = msgspec.structs.replace(effect, payment_path=()) if replaceable else effect
    after = await _apply(tx, before, attempt, first, outcome, grace_s)
    if effect.next_account is not None:
        to = effect.next_account
        after = await store.open_next(tx, after, after.find(attempt), to.account, to.why) or after
    if effect.decision is not None:
        after = await store.decide(tx, after, effect.decision, *_reason(after, effect.decision))
    if not replaceable:
        return after, effect
    replaced = await replan(tx, after)
    if replaced is not None:
        return replaced, first
    rest = msgspec.structs.replace(effect, attempt_path=(), lines=())
    return await _apply(tx, after, attempt, rest, outcome, grace_s), effect


def _can_be_replaced(payment: Payment, attempt: AttemptId, effect: OutcomeEffect) -> bool:
    """Whether this ends a plan of which nothing was taken, or can be."""
    if effect.payment_path != ("FAILED",) or not effect.attempt_path:
        return False
    return legs.may_be_replaced(payment.moved(attempt, state=effect.attempt_path[-1]))


async def _apply(
    tx: Connection,
    payment: Payment,
    attempt: AttemptId,
    effect: OutcomeEffect,
    outcome: GatewayResult,
    grace_s: float,
) -> Payment:
    for step in _steps(payment, attempt, effect, outcome):
        payment = await store.move(tx, payment, step, grace_s=grace_s)
    if effect.review:
        payment = msgspec.structs.replace(payment, needs_review=True)
    return payment


def _steps(
    payment: Payment, attempt: AttemptId, effect: OutcomeEffect, outcome: GatewayResult
) -> Iterator[PaymentMove]:
    declines = [outcome.code] if isinstance(outcome, Declined) else []
    declines += [each.detail for each in payment.newest if each.state == "FAILED" and each.detail]
    last = max(len(effect.attempt_path), len(effect.payment_path)) - 1
    steps = zip_longest(effect.attempt_path, effect.payment_path)
    for at, (attempt_to, payment_to) in enumerate(steps):
        yield PaymentMove(
            attempt=attempt,
            attempt_to=attempt_to,
            detail=_why(outcome),
            payment_to=payment_to,
            decline_code=declines[0] if declines else None,
            lines=effect.lines if at == last else (),
        )


async def _fee(
    tx: Connection, payment: Payment, attempt: Attempt, effect: OutcomeEffect
) -> int | None:
    """What a planned leg costs that is captured by this; None where none is."""
    if "SUCCEEDED" not in effect.attempt_path or attempt.method is None:
        return None
    return await store.planned_fee(tx, payment.payment_id, attempt)


def _count(
    metrics: PaymentMetrics, attempt: Attempt, effect: OutcomeEffect, fee_minor: int | None
) -> None:
    if fee_minor is not None:
        metrics.charged_fee(attempt.provider, fee_minor)
    # A leg that goes on to another account has come to nothing yet.
    for leg_state in effect.attempt_path if effect.next_account is None else ():
        metrics.leg_moved(attempt.provider, leg_state)
    for state in effect.payment_path:
        metrics.moved(state)


def _reason(payment: Payment, decision: DecisionKind) -> tuple[str, dict[str, Any]]:
    """Why it is decided, in words, and how the legs stood."""
    stand = {str(each.leg_n): each.state for each in payment.newest}
    lost = [str(each.leg_n) for each in payment.newest if each.state in legs.LOST]
    reasons = {
        "capture": "Every leg is held, so all of them are captured.",
        "void": f"Leg {', '.join(lost)} cannot be had, so no leg is captured.",
        "compensate": f"Leg {', '.join(lost)} cannot be had, so what was captured goes back.",
    }
    return reasons[decision], {"legs": stand}


def _why(outcome: GatewayResult) -> str | None:
    match outcome:
        case Declined(code):
            return code
        case Silence(why) | NeverSent(why):
            return why[:200]
    return None
