"""Works events off: asks the provider what has become of the intent, and settles that.

The event says only where to look. The mark that it is processed is committed with the outcome, so a
process that dies on the way leaves the event due and nothing done. And since settling an outcome a
second time moves nothing, it does not matter how many workers, answers and polls learn the same:
each event has its effect exactly once (promise P10)."""

import asyncio
import logging
import time

import msgspec

from chassis.database.pool import Connection
from chassis.due_work import DueWorker
from chassis.telemetry import recording
from services.payment import asking, settlement, store
from services.payment.connectors import GatewayNotSent, GatewayUnknown, OutsideAccount
from services.payment.context import PaymentContext
from services.payment.domain import Attempt, AttemptId, Payment
from services.payment.due_worker import due_worker
from services.payment.outcomes import NotFound
from services.payment.settings import PaymentSettings
from services.payment.webhooks import inbox
from services.payment.webhooks.inbox import EVENTS_DUE, EventResult, InboxEvent

logger = logging.getLogger(__name__)

# Enough for the events of some hundred payments a second; each is one question to its provider.
AT_ONCE = 2


def event_worker(context: PaymentContext, settings: PaymentSettings) -> DueWorker:
    """One replica's worker; any number may run."""
    return due_worker(
        context,
        settings,
        EVENTS_DUE,
        work_off,
        places=AT_ONCE,
        poll_s=settings.payment_webhook_poll_s,
        log_key="event",
    )


async def work_off(context: PaymentContext, event_id: int) -> None:
    """Let one event have its effect. Where the provider does not answer it stays due."""
    async with context.database.connect() as connection:
        event = await inbox.find(connection, event_id)
    if event is None:
        return
    with recording.span("work off provider event") as work:
        work.attributes.update({"server.address": event.provider, "valerix.event": event.event_id})
        try:
            result = await _worked_off(context, event)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            work.error = str(error) or "no answer in time"
            logger.warning(
                "an event waits, its provider did not answer: %s",
                work.error,
                extra={"provider": event.provider, "event_id": event.event_id},
            )
            return
        work.attributes["valerix.outcome"] = result


async def _worked_off(context: PaymentContext, event: InboxEvent) -> EventResult:
    account = context.accounts.get(event.provider)
    if account is None:
        raise GatewayNotSent("no connector to this provider is configured")
    async with asyncio.timeout(context.gateway_timeout_s):
        key = event.attempt_key
        attempt_id = await _attempt_of(context, event, key)
        if attempt_id is None and key is None and event.intent is not None:
            # It came before our own answer, and only the intent names its attempt.
            key = await account.webhooks.attempt_of(event.intent)
            attempt_id = await _attempt_of(context, event, key) if key else None
        if attempt_id is None or event.intent is None:
            return await _marked(context, event, "foreign")
        return await _settled(context, event, account, attempt_id)


async def _settled(
    context: PaymentContext, event: InboxEvent, account: OutsideAccount, attempt_id: AttemptId
) -> EventResult:
    payment, attempt = await _look(context, attempt_id)
    if _is_about_another(attempt, event):
        return await _marked(context, event, "nothing-new", attempt_id)
    named = msgspec.structs.replace(attempt, provider_ref=event.intent)
    # That the intent is there and is this attempt's is checked before its name is kept.
    began = time.monotonic()
    outcome = await account.find_out(asking.target_of(payment.payment_id, named))
    took_s, found = time.monotonic() - began, type(outcome).__name__.lower()
    context.metrics.answered(attempt.provider, "find out", found, took_s)
    if attempt.provider_ref is None:
        async with context.database.connect() as connection:
            await store.keep_ref(connection, attempt_id, str(event.intent))
        _, attempt = await _look(context, attempt_id)
    if isinstance(outcome, NotFound) or _is_about_another(attempt, event):
        return await _marked(context, event, "nothing-new", attempt_id)

    async def mark(tx: Connection) -> None:
        await inbox.mark(tx, event, "settled", attempt_id)

    await settlement.settle(
        context.database,
        context.metrics,
        attempt_id,
        outcome,
        grace_s=context.grace_s,
        route=context.route,
        replan=context.replan,
        also=mark,
    )
    return "settled"


def _is_about_another(attempt: Attempt, event: InboxEvent) -> bool:
    """Whether it is about an intent that was made twice: only the first one kept is ever paid."""
    return attempt.provider_ref not in (None, event.intent)


async def _marked(
    context: PaymentContext,
    event: InboxEvent,
    result: EventResult,
    attempt: AttemptId | None = None,
) -> EventResult:
    async with context.database.connect() as connection:
        await inbox.mark(connection, event, result, attempt)
    return result


async def _attempt_of(
    context: PaymentContext, event: InboxEvent, key: str | None
) -> AttemptId | None:
    async with context.database.connect() as connection:
        return await inbox.attempt_of(connection, event, key)


async def _look(context: PaymentContext, attempt: AttemptId) -> tuple[Payment, Attempt]:
    async with context.database.connect() as connection:
        payment = await store.find(connection, attempt.payment_id)
    if payment is None:
        raise LookupError(f"no payment {attempt.payment_id}")
    return payment, payment.find(attempt)
