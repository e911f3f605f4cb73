"""Decides a request and commits that at once: plan, legs, attempts and the request's name."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from chassis.database.pool import Connection
from chassis.ids import new_id
from chassis.telemetry import recording
from services.payment import intents
from services.payment.breakers import store as breakers
from services.payment.breakers.breakers import Admitted
from services.payment.context import PaymentContext
from services.payment.contract import MAX_AMOUNT_MINOR
from services.payment.merchants import store as merchant_store
from services.payment.process import store as requests
from services.payment.process.contexts import (
    CapacityUsedUp,
    DomainContext,
    NoAccountNow,
    StepContext,
)
from services.payment.process.deciding import Decided, Refusal, decide
from services.payment.process.store import StoredRequest

# Between plan and commit another payment may take the capacity, or a breaker open; then it is
# planned once more.
_MOST_PLANS = 3


class _Overtaken(Exception):
    """What the plan was made from has changed since: `closed` are asked for no new money now."""

    def __init__(self, closed: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.closed = closed


async def open_planned(
    context: PaymentContext, domain: DomainContext, accounts: Admitted, steps: Sequence[StepContext]
) -> UUID | Refusal | StoredRequest:
    """The payment's id; or why there is none; or the request that came before. Raises
    `NoAccountNow` where there is none alone because of how the accounts stand at the moment, and
    `CapacityUsedUp` where that is because of what they took today."""
    for _ in range(_MOST_PLANS):
        decided = _decided(context, domain, steps)
        if isinstance(decided, Refusal):
            if _is_for_now(context, domain, steps, decided):
                raise NoAccountNow
            if await _is_for_today(context, domain, decided):
                raise CapacityUsedUp(_next_day())
            return _of_every(context, domain, decided)
        try:
            return await _commit(context, domain, decided, accounts, steps)
        except _Overtaken as overtaken:
            remaining = [each for each in steps if each.account not in overtaken.closed]
            if not remaining:
                raise NoAccountNow from None
            steps, domain = remaining, await _as_of_now(context, domain)
    raise NoAccountNow


def _decided(
    context: PaymentContext, domain: DomainContext, steps: Sequence[StepContext]
) -> Decided | Refusal:
    two_phase = _two_phase(context, steps)
    with recording.span("plan payment") as work:
        began = time.perf_counter()
        decided = decide(
            domain.merchant,
            domain.request,
            steps=steps,
            two_phase=two_phase,
            wallet_minor=domain.wallet_minor,
        )
        context.metrics.planned(time.perf_counter() - began)
        if decided.ruled is not None:
            context.metrics.ruled(decided.ruled.action.kind, failed=decided.ruled.failed)
        if isinstance(decided, Decided):
            work.attributes["valerix.legs"] = len(decided.legs)
    return decided


def _is_for_now(
    context: PaymentContext, domain: DomainContext, steps: Sequence[StepContext], refusal: Refusal
) -> bool:
    """Whether the accounts that are left out at the moment would make a plan possible."""
    every = _every_step(context, domain)
    if refusal.error_code != "PlanInfeasible" or len(every) == len(steps):
        return False
    return isinstance(_decided_by(context, domain, every), Decided)


def _of_every(context: PaymentContext, domain: DomainContext, refusal: Refusal) -> Refusal:
    """The refusal; where no account had a part, why none of those with a connector can have one."""
    every = _every_step(context, domain)
    if refusal.error_code != "AdapterNotFound" or not every:
        return refusal
    found = _decided_by(context, domain, every)
    return found if isinstance(found, Refusal) else refusal


async def _is_for_today(context: PaymentContext, domain: DomainContext, refusal: Refusal) -> bool:
    """Whether there would be a plan if the accounts had taken nothing today."""
    every = _every_step(context, domain)
    if refusal.error_code not in ("PlanInfeasible", "AdapterNotFound") or not every:
        return False
    async with context.database.connect() as connection:
        chain = [each.account for each in domain.merchant.accounts]
        fresh = await merchant_store.fresh_terms(connection, chain)
    merchant = msgspec.structs.replace(domain.merchant, accounts=fresh)
    tomorrow = msgspec.structs.replace(domain, merchant=merchant)
    found = _decided_by(context, tomorrow, every)
    return fresh != domain.merchant.accounts and isinstance(found, Decided)


def _decided_by(
    context: PaymentContext, domain: DomainContext, every: Sequence[StepContext]
) -> Decided | Refusal:
    """What these parts would come to; it is not what is done."""
    two_phase = _two_phase(context, every)
    return decide(
        domain.merchant,
        domain.request,
        steps=every,
        two_phase=two_phase,
        wallet_minor=domain.wallet_minor,
    )


def _next_day() -> datetime:
    """When the accounts' day ends: it is one in UTC."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), UTC)


def _every_step(context: PaymentContext, domain: DomainContext) -> list[StepContext]:
    """A part for each account of the merchant that has a connector."""
    return [
        domain.step(each.account)
        for each in domain.merchant.accounts
        if context.connector_of(each.account) is not None
    ]


def _two_phase(context: PaymentContext, steps: Sequence[StepContext]) -> list[str]:
    return [
        each.account
        for each in steps
        if (connector := context.connector_of(each.account)) is not None and connector.can.two_phase
    ]


async def _as_of_now(context: PaymentContext, domain: DomainContext) -> DomainContext:
    """The same with what the merchant's accounts still take."""
    async with context.database.connect() as connection:
        chain = [each.account for each in domain.merchant.accounts]
        terms = await merchant_store.terms(connection, chain)
    merchant = msgspec.structs.replace(domain.merchant, accounts=terms)
    return msgspec.structs.replace(domain, merchant=merchant)


async def _commit(
    context: PaymentContext,
    domain: DomainContext,
    decided: Decided,
    accounts: Admitted,
    steps: Sequence[StepContext],
) -> UUID | StoredRequest:
    payment_id, merchant = new_id(), domain.merchant
    async with context.database.begin() as tx:
        await _reserve(tx, domain, decided)
        # Read after whoever had the accounts before: the same request may have been there.
        before = await requests.find(tx, domain.name)
        if before is not None:
            return before
        closed = await breakers.closed_to_new(tx, accounts.probes)
        if closed & {leg.provider for leg in decided.legs}:
            raise _Overtaken(closed)
        await intents.open_legs(
            tx,
            decided.legs,
            payment_id=payment_id,
            currency=domain.request.currency,
            made_by=domain.trace.made_by,
            owner=domain.trace.owner,
            traceparent=domain.trace.traceparent,
            # Until then this request works on it; the reconciler takes over after it.
            grace_s=context.grace_s + merchant.budget_ms / 1000,
        )
        await requests.keep_plan(
            tx,
            payment_id,
            merchant_id=merchant.merchant_id,
            policy_version=merchant.policy_version,
            inputs=decided.inputs,
            plan=decided.plan,
            methods={each.account: each.method for each in steps},
        )
        if not await requests.claim(tx, domain.name, domain.meaning, payment_id=payment_id):
            raise _Overtaken  # the same request at the same time: nothing of this is kept
    context.metrics.moved("PROCESSING")
    return payment_id


async def _reserve(tx: Connection, domain: DomainContext, decided: Decided) -> None:
    """Make sure, with everybody else who plans waiting, that the capacity is still there; the
    attempts that commit with it hold it."""
    terms = {each.account: each for each in domain.merchant.accounts}
    bounded = [
        leg.provider
        for leg in decided.legs
        if terms[leg.provider].capacity_minor < MAX_AMOUNT_MINOR
    ]
    if not bounded:
        return
    await merchant_store.lock(tx, bounded)
    left = {each.account: each.most_minor for each in await merchant_store.terms(tx, bounded)}
    for leg in decided.legs:
        if leg.provider in left and leg.amount_minor > left[leg.provider]:
            raise _Overtaken
