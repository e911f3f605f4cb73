"""One question to one gateway: within its time, repeated where that is safe, never guessed.

A request that was certainly not sent is sent again, and so is the one that takes no money; a
request for money that was sent never is. What became of it is found out, later and for as long as
it takes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal, TypeVar
from uuid import UUID

import msgspec
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from chassis.telemetry import recording
from chassis.telemetry.context import CLIENT, Span, span_now
from gateways import AttemptRef, Connector, GatewayNotSent, GatewayUnknown
from services.payment import store
from services.payment.context import PaymentContext
from services.payment.domain import Attempt, Payment
from services.payment.legs import Operation
from services.payment.outcomes import GatewayResult, NeverSent, Silence

logger = logging.getLogger(__name__)

T = TypeVar("T")
Question = Operation | Literal["find out"]

# A connection that is refused three times within a quarter of a second is refused for longer than
# a customer waits; the leg then goes elsewhere, or the reconciler comes back to it.
TRIES = 3
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 0.2
_FOR_MONEY: frozenset[Question] = frozenset({"charge", "authorise"})
_Repeatable = type[Exception] | tuple[type[Exception], ...]


async def ask_gateway(
    context: PaymentContext,
    payment: Payment,
    attempt: Attempt,
    what: Question,
    timeout_s: float,
) -> GatewayResult:
    """Ask one thing about an attempt. Whatever goes wrong is an answer: `Silence`, or `NeverSent`
    where the request for money certainly never left and another account may have the leg."""
    result: GatewayResult
    hurried = False
    began = time.monotonic()
    with recording.span(f"gateway {what}", CLIENT) as work:
        try:
            async with asyncio.timeout(timeout_s):
                result = await _asked(context, payment, attempt, what, began + timeout_s)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            why = str(error) or "no answer in time"
            # That our own time was up says nothing about the account.
            hurried = isinstance(error, TimeoutError) and timeout_s < context.gateway_timeout_s
            never_left = isinstance(error, GatewayNotSent) and what in _FOR_MONEY
            # However long it lasts, silence never becomes a no: the capture may have landed (R5).
            result = NeverSent(why) if never_left and attempt.fallbacks else Silence(why)
            work.error = work.error or why
        _describe(work, payment, attempt, result)
    _note(
        context, payment, attempt, what, result, seconds=time.monotonic() - began, hurried=hurried
    )
    if isinstance(result, Silence | NeverSent):
        logger.warning(
            "the gateway did not answer: %s",
            result.why,
            extra={**payment.named(), "operation": what},
        )
    return result


async def _asked(
    context: PaymentContext, payment: Payment, attempt: Attempt, what: Question, until: float
) -> GatewayResult:
    connector = context.connector_of(attempt.provider)
    if connector is None:
        raise GatewayNotSent("no connector to this provider is configured")
    if connector.can.prepares and what in ("charge", "authorise", "void"):
        attempt = await _prepared(context, connector, payment, attempt, what, until)
    return await _repeated(
        context,
        attempt,
        what,
        until,
        GatewayNotSent,
        lambda: _call(connector, payment.payment_id, attempt, what),
    )


async def _repeated(
    context: PaymentContext,
    attempt: Attempt,
    what: Question,
    until: float,
    repeatable: _Repeatable,
    call: Callable[[], Awaitable[T]],
) -> T:
    """Call, and call again after one of these errors, while there is time; each time is counted and
    an event of the span. A policy can forbid it for requests for money, and for nothing else."""
    if what in _FOR_MONEY and not attempt.may_retry:
        return await call()
    try:
        return await call()
    except repeatable as error:
        failed = [error]

    def note(state: RetryCallState) -> None:
        context.metrics.retried(attempt.provider, what)
        error = state.outcome.exception() if state.outcome is not None else None
        if (work := span_now.get()) is not None:
            about: dict[str, object] = {"valerix.retry": state.attempt_number, "why": str(error)}
            work.events.append((time.time_ns(), "retry", about))

    # It costs more than a call that goes well, so the one that did not is counted as its first.
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(repeatable),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        stop=stop_after_attempt(TRIES) | stop_before_delay(until - time.monotonic()),
        before_sleep=note,
        reraise=True,
    )
    async for each in retrying:
        with each:
            if failed:
                raise failed.pop()
            return await call()
    raise AssertionError("it returns, or raises what the last call raised")


def _describe(work: Span, payment: Payment, attempt: Attempt, result: GatewayResult) -> None:
    work.attributes.update(
        {
            "server.address": attempt.provider,
            **span_names(payment),
            "valerix.leg": attempt.leg_n,
            "valerix.attempt": attempt.n,
            "valerix.outcome": type(result).__name__.lower(),
        }
    )


def _note(
    context: PaymentContext,
    payment: Payment,
    attempt: Attempt,
    what: Question,
    result: GatewayResult,
    *,
    seconds: float,
    hurried: bool,
) -> None:
    """Count it, and remember what it says about the account."""
    outcome = type(result).__name__.lower()
    context.metrics.answered(attempt.provider, what, outcome, seconds)
    if what not in _FOR_MONEY:
        return
    if not isinstance(result, NeverSent):
        context.usual.saw(attempt.provider, seconds)
    # Of an order's payment there is nothing to choose, so no breaker has a say in it.
    if attempt.method is not None and payment.order_id is None and not hurried:
        context.breakers.saw(attempt.provider, result)


def span_names(payment: Payment) -> dict[str, str]:
    """What a span says of the payment it is about."""
    return {f"valerix.{name.replace('_', '.')}": it for name, it in payment.named().items()}


async def _prepared(
    context: PaymentContext,
    connector: Connector,
    payment: Payment,
    attempt: Attempt,
    what: Question,
    until: float,
) -> Attempt:
    """The attempt with its provider's name for it, kept before anything is asked under that name.
    The first name that is kept is the only one ever used, whoever else has got another one, so
    asking for it again is safe."""
    if attempt.provider_ref is not None:
        return attempt
    target, capture = target_of(payment.payment_id, attempt), len(payment.newest) == 1
    ref = await _repeated(
        context,
        attempt,
        what,
        until,
        (GatewayNotSent, GatewayUnknown),
        lambda: connector.prepare(target, capture=capture),
    )
    async with context.database.connect() as connection:
        if not await store.keep_ref(connection, payment.id_of(attempt), ref):
            raise GatewayUnknown("somebody else works on this attempt")
    return msgspec.structs.replace(attempt, provider_ref=ref)


def target_of(payment_id: UUID, attempt: Attempt) -> AttemptRef:
    """How a provider is asked about an attempt."""
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
    target = target_of(payment_id, attempt)
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
