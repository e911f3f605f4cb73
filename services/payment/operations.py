"""What is asked of gateways about a payment, in no transaction, and how far that brings it."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from chassis.database.pool import DatabaseTrouble
from chassis.telemetry.context import remaining_s
from gateways import NotFound
from services.payment import legs, settlement, store
from services.payment.asking import Question, ask_gateway
from services.payment.context import PaymentContext
from services.payment.domain import Attempt, Payment
from services.payment.outcomes import GatewayResult

logger = logging.getLogger(__name__)

# What is kept of the caller's time for our own commit and the way back.
RESERVE_S = 0.15
# A cancel that meets a capture is two rounds (void, refund); a payment in several legs is
# authorised, captured, and, where a part of it cannot be captured, refunded. Nothing takes more.
MOST_ROUNDS = 4
# A leg that three accounts decline goes on to a fourth, and then is captured or given up; another
# plan may take the place of the first and do the same.
MOST_ROUNDS_OF_A_ROUTE = 12
# Legs that are asked about at once: each takes a connection to settle what it hears.
_LEGS_AT_ONCE = 4


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
    context: PaymentContext,
    payment: Payment,
    *,
    most: int = MOST_ROUNDS,
    but: Collection[str] = (),
    is_first: bool = True,
    budget_s: float | None = None,
) -> Payment:
    """Ask about each leg what its state asks for, round by round, until nothing is left, gateways
    are silent, or the time is up. All of it together takes no longer than `budget_s`, or else one
    gateway timeout.

    `but` are keys that are left alone. A gateway that did not answer is not asked again. Who is not
    the first to ask for a leg that has other accounts says so before."""
    budget_s = budget_s or context.gateway_timeout_s
    if (left_s := remaining_s()) is not None:
        budget_s = min(budget_s, left_s - RESERVE_S)
    until = time.monotonic() + budget_s
    silent = set(but)
    for _ in range(most):
        left_s = until - time.monotonic()
        todo: dict[Attempt, Question] = {
            each: what
            for each in payment.newest
            if each.gw_key not in silent and (what := legs.operation(payment, each)) is not None
        }
        if not todo or left_s <= 0:
            break
        if not is_first:
            await _ask_again(context, payment, todo)
        before = {each.gw_key: each.state for each in todo}
        payment, _ = await ask(context, payment, todo, left_s)
        silent |= {
            each.gw_key
            for each in payment.newest
            if each.gw_key in before and each.state in ("UNKNOWN", before[each.gw_key])
        }
    return payment


async def _ask_again(
    context: PaymentContext, payment: Payment, todo: dict[Attempt, Question]
) -> None:
    """Say that these legs are asked for once more; those that were settled meanwhile are not."""
    for each, what in list(todo.items()):
        if each.fallbacks and what in ("charge", "authorise"):
            async with context.database.connect() as connection:
                if not await store.ask_again(connection, payment.id_of(each)):
                    del todo[each]


async def ask(
    context: PaymentContext,
    payment: Payment,
    questions: Mapping[Attempt, Question],
    timeout_s: float,
) -> tuple[Payment, dict[str, GatewayResult]]:
    """Ask one thing about each of these attempts, at once, and settle each answer as it comes. The
    payment as it stands then, and the answers by key."""
    places = asyncio.Semaphore(_LEGS_AT_ONCE)

    async def one(attempt: Attempt, what: Question) -> tuple[Payment, GatewayResult]:
        async with places:
            result = await ask_gateway(context, payment, attempt, what, timeout_s)
            settled = await settlement.settle(
                context.database,
                context.metrics,
                payment.id_of(attempt),
                result,
                grace_s=context.grace_s,
                seen=payment,
                route=context.route,
                replan=context.replan,
            )
        return settled, result

    if len(questions) == 1:
        [(attempt, what)] = questions.items()
        settled, result = await one(attempt, what)
        return settled, {attempt.gw_key: result}
    # What one leg meets does not keep the others' answers from being settled.
    found = await asyncio.gather(
        *(one(attempt, what) for attempt, what in questions.items()), return_exceptions=True
    )
    answers: dict[str, GatewayResult] = {}
    for attempt, each in zip(questions, found, strict=True):
        if isinstance(each, BaseException):
            raise each
        answers[attempt.gw_key] = each[1]
    async with context.database.connect() as connection:
        return await store.find(connection, payment.payment_id) or payment, answers


async def find_out(context: PaymentContext, payment: Payment) -> tuple[Payment, frozenset[str]]:
    """Ask what became of every leg in doubt. The payment as it stands then, and the keys that stay
    in doubt: their gateways were silent. One that knows no such key may be asked to charge it."""
    doubtful: dict[Attempt, Question] = {
        each: "find out" for each in payment.newest if each.state in ("IN_FLIGHT", "UNKNOWN")
    }
    if not doubtful:
        return payment, frozenset()
    payment, answers = await ask(context, payment, doubtful, context.gateway_timeout_s)
    silent = {key for key, answer in answers.items() if not isinstance(answer, NotFound)}
    return payment, frozenset(silent)
