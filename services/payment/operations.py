"""What is asked of gateways about a payment, in no transaction, and how far that brings it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection, Mapping
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec

from chassis.database.pool import Database, DatabaseTrouble
from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, remaining_s
from services.payment import legs, settlement, store
from services.payment.breakers.breakers import Breakers
from services.payment.connectors import AttemptRef, Connector, GatewayNotSent, GatewayUnknown
from services.payment.domain import Attempt, Payment
from services.payment.legs import Operation
from services.payment.metrics import PaymentMetrics
from services.payment.outcomes import GatewayResult, NeverSent, NotFound, Silence
from services.payment.routing.next_account import Next, next_account

logger = logging.getLogger(__name__)

# What is kept of the caller's time for our own commit and the way back.
RESERVE_S = 0.15
# A cancel that meets a capture is two rounds (void, refund); a payment in several legs is
# authorised, captured, and, where a part of it cannot be captured, refunded. Nothing takes more.
MOST_ROUNDS = 4
# A leg that three accounts decline goes on to a fourth, and then is captured or given up.
MOST_ROUNDS_OF_A_ROUTE = 8
# Legs that are asked about at once: each takes a connection to settle what it hears.
_LEGS_AT_ONCE = 4
# What the connectors in this process are called; they share one gateway.
_IN_PROCESS = frozenset({"mock", "flaky"})

Question = Operation | Literal["find out"]


class PaymentContext(msgspec.Struct, frozen=True):
    """What taking money needs: the tables, the connectors, and how long to wait for them.

    `connector` is the one in this process; `accounts` has the connector of each account outside."""

    database: Database
    connector: Connector
    metrics: PaymentMetrics
    gateway_timeout_s: float
    probe_base_s: float
    breakers: Breakers
    accounts: Mapping[str, Connector] = {}

    def route(self, payment: Payment, attempt: Attempt, code: str) -> Next | None:
        """Where a leg goes after a definite no; None where no other account may take it."""
        until = attempt.begin_until
        found = next_account(
            code=code,
            tried=payment.tried(attempt.leg_n),
            fallbacks=attempt.fallbacks,
            left_s=0.0 if until is None else (until - datetime.now(UTC)).total_seconds(),
            closed_to_new=self.breakers.open_now(),
        )
        return found if isinstance(found, Next) else None

    def connector_of(self, provider: str) -> Connector | None:
        """The connector to a provider; None where none is configured."""
        return self.connector if provider in _IN_PROCESS else self.accounts.get(provider)

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
            result = await _ask(context, payment, attempt, what, timeout_s)
            settled = await settlement.settle(
                context.database,
                context.metrics,
                payment.id_of(attempt),
                result,
                grace_s=context.grace_s,
                route=context.route,
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


async def _ask(
    context: PaymentContext,
    payment: Payment,
    attempt: Attempt,
    what: Question,
    timeout_s: float,
) -> GatewayResult:
    result: GatewayResult
    hurried = False
    began = time.monotonic()
    with recording.span(f"gateway {what}", CLIENT) as work:
        try:
            async with asyncio.timeout(timeout_s):
                connector = context.connector_of(attempt.provider)
                if connector is None:
                    raise GatewayNotSent("no connector to this provider is configured")
                if connector.can.prepares and what in ("charge", "authorise", "void"):
                    attempt = await _prepared(context, connector, payment, attempt)
                result = await _call(connector, payment.payment_id, attempt, what)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            why = str(error) or "no answer in time"
            # That our own time was up says nothing about the account.
            hurried = isinstance(error, TimeoutError) and timeout_s < context.gateway_timeout_s
            never_left = isinstance(error, GatewayNotSent) and what in ("charge", "authorise")
            # However long it lasts, silence never becomes a no: the capture may have landed (R5).
            result = NeverSent(why) if never_left and attempt.fallbacks else Silence(why)
            work.error = work.error or why
        outcome = type(result).__name__.lower()
        work.attributes.update(
            {
                "server.address": attempt.provider,
                **span_names(payment),
                "valerix.leg": attempt.leg_n,
                "valerix.attempt": attempt.n,
                "valerix.outcome": outcome,
            }
        )
    context.metrics.answered(attempt.provider, what, outcome, time.monotonic() - began)
    if attempt.method is not None and what in ("charge", "authorise") and not hurried:
        context.breakers.saw(attempt.provider, result)
    if isinstance(result, Silence | NeverSent):
        logger.warning(
            "the gateway did not answer: %s",
            result.why,
            extra={**payment.named(), "operation": what},
        )
    return result


def span_names(payment: Payment) -> dict[str, str]:
    """What a span says of the payment it is about."""
    return {f"valerix.{name.replace('_', '.')}": it for name, it in payment.named().items()}


async def _prepared(
    context: PaymentContext, connector: Connector, payment: Payment, attempt: Attempt
) -> Attempt:
    """The attempt with its provider's name for it, kept before anything is asked under that name.
    The first name that is kept is the only one ever used, whoever else has got another one."""
    if attempt.provider_ref is not None:
        return attempt
    target = _target(payment.payment_id, attempt)
    ref = await connector.prepare(target, capture=len(payment.newest) == 1)
    async with context.database.connect() as connection:
        if not await store.keep_ref(connection, payment.id_of(attempt), ref):
            raise GatewayUnknown("somebody else works on this attempt")
    return msgspec.structs.replace(attempt, provider_ref=ref)


def _target(payment_id: UUID, attempt: Attempt) -> AttemptRef:
    return AttemptRef(
        attempt.gw_key,
        str(payment_id),
        attempt.amount_minor,
        attempt.currency,
        account=attempt.provider,
        method=attempt.method,
        provider_ref=attempt.provider_ref,
        age_s=(datetime.now(UTC) - attempt.created_at).total_seconds(),
    )


def _call(
    connector: Connector, payment_id: UUID, attempt: Attempt, what: Question
) -> Awaitable[GatewayResult]:
    target = _target(payment_id, attempt)
    match what:
        case "charge":
            return connector.authorise(target, capture=True)
        case "authorise":
            return connector.authorise(target, capture=False)
        case "capture":
            return connector.capture(target)
        case "void":
            return connector.void(target)
        case "refund":
            return connector.refund(target)
        case "find out":
            return connector.find_out(target)
