"""POST /process-payment, step by step: who asks, with what, what is decided, asked and answered.

What is decided commits in one transaction (plan, legs, attempts, the request's name) before any
account is asked for money; from there on the reconciler finishes what this request does not."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET

from chassis.database.pool import Connection, DatabaseTrouble
from chassis.http.problems import Problem
from chassis.idempotency import request_hash
from chassis.telemetry import recording
from chassis.telemetry.context import current_traceparent, remaining_s
from services.payment import charging, contract, intents, operations, store
from services.payment.connectors import GatewayNotSent, GatewayUnknown, PlainCard
from services.payment.contract import MAX_AMOUNT_MINOR
from services.payment.domain import MadeBy
from services.payment.merchants import store as merchant_store
from services.payment.merchants.merchant import Merchant
from services.payment.operations import PaymentContext
from services.payment.process import cards
from services.payment.process import store as requests
from services.payment.process.answering import result_of, status_of
from services.payment.process.deciding import Decided, Refusal, decide
from services.payment.process.messages import ExternalRequest, PaymentResult
from services.payment.process.store import RequestId, StoredRequest

logger = logging.getLogger(__name__)

# Between plan and commit another payment may take the capacity; then it is planned once more.
_MOST_PLANS = 3
# To exchange a card is one request that takes no money; it shares the merchant's time.
_EXCHANGE_SHARE = 0.25


class UnknownMerchant(Exception):
    """There is no such merchant."""


class NoAccountNow(Exception):
    """The breakers of all accounts are open; nothing was done."""


class OtherRequest(Exception):
    """The name was used for another request."""


class BadField(Exception):
    """The request itself is wrong: `pointer` says where, and nothing was done."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer, self.message = pointer, message


class RequestAnswer(msgspec.Struct, frozen=True):
    """Status and bytes; `replayed` where they are those of the first answer."""

    status_code: int
    body: bytes
    payment_id: UUID | None
    replayed: bool = False


class _Meaning(msgspec.Struct, frozen=True):
    """What a request means: the card's number is only its fingerprint."""

    request: dict[str, Any]


class _CapacityGone(Exception):
    """Another payment took an account's capacity since the plan was made."""


async def process(
    context: PaymentContext, request: ExternalRequest, made_by: MadeBy
) -> RequestAnswer:
    """Take the money of a merchant's request, once. Raises `UnknownMerchant`, `OtherRequest`,
    `BadField` or `NoAccountNow`, and then nothing was done."""
    name = RequestId(request.merchant_id, request.request_id)
    async with context.database.connect() as connection:
        merchant = await merchant_store.find(connection, request.merchant_id)
        if merchant is None:
            raise UnknownMerchant
        kept = await _kept_card(connection, request)
        meaning = _meaning_of(request, kept)
        before = await requests.find(connection, name)
    if before is not None:
        return await _again(context, name, before, meaning)
    methods = await _methods(context, merchant, request)
    opened = await _open(context, merchant, request, methods, meaning, made_by)
    if isinstance(opened, StoredRequest):
        return await _again(context, name, opened, meaning)
    if isinstance(opened, Refusal):
        return await _refused(context, name, meaning, opened)
    await _drive(context, merchant, opened)
    return await _answer(context, name, opened)


async def _kept_card(connection: Connection, request: ExternalRequest) -> cards.KeptCard | None:
    """What may be kept of the card, if there is one and it can be charged at all."""
    details = request.payment_method
    if details is UNSET:
        return None
    if (details.card is UNSET) == (details.wallet is UNSET):
        raise BadField("/payment_method", "must have a card or a wallet, and not both")
    if details.card is UNSET:
        raise BadField("/payment_method/wallet", "no wallet connector is configured")
    wrong = cards.problem_of(details.card, datetime.now(UTC))
    if wrong is not None:
        raise BadField(f"/payment_method/card/{wrong[0]}", wrong[1])
    return cards.kept(details.card, await store.card_key(connection))


def _meaning_of(request: ExternalRequest, kept: cards.KeptCard | None) -> bytes:
    means: dict[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(request, payment_method=UNSET)
    )
    means["card"] = None if kept is None else kept.fingerprint
    return request_hash("POST", "/process-payment", request.merchant_id, _Meaning(means))


async def _methods(
    context: PaymentContext, merchant: Merchant, request: ExternalRequest
) -> dict[str, str]:
    """What the customer pays with at each account that has a connector. A card is exchanged there,
    all at once, before anything is committed: a crash later needs no number."""
    having = [
        each.account
        for each in merchant.accounts
        if each.takes(request.currency) and context.connector_of(each.account) is not None
    ]
    blocked = await context.breakers.closed_to_new(having)
    accounts = [account for account in having if account not in blocked]
    if having and not accounts:
        raise NoAccountNow
    details = request.payment_method
    if details is UNSET or details.card is UNSET:
        return dict.fromkeys(accounts, merchant.method)
    card = PlainCard(
        details.card.number.replace(" ", ""),
        details.card.exp_month,
        details.card.exp_year,
        details.card.cvc,
    )

    async def exchange(account: str) -> str | None:
        connector = context.connector_of(account)
        if connector is None:
            return None
        try:
            async with asyncio.timeout(_EXCHANGE_SHARE * merchant.budget_ms / 1000):
                return await connector.exchange(account, card)
        except (GatewayUnknown, GatewayNotSent, TimeoutError) as error:
            logger.warning("an account took no card: %s", error, extra={"provider": account})
            return None

    found = await asyncio.gather(*(exchange(account) for account in accounts))
    return {account: method for account, method in zip(accounts, found, strict=True) if method}


async def _open(
    context: PaymentContext,
    merchant: Merchant,
    request: ExternalRequest,
    methods: Mapping[str, str],
    meaning: bytes,
    made_by: MadeBy,
) -> UUID | Refusal | StoredRequest:
    """Decide and commit: the payment's id; why there is none; or the request that came before."""
    two_phase = [
        account
        for account in methods
        if (connector := context.connector_of(account)) is not None and connector.can.two_phase
    ]
    for _ in range(_MOST_PLANS):
        with recording.span("plan payment") as work:
            began = time.perf_counter()
            decided = decide(merchant, request, methods=methods, two_phase=two_phase)
            context.metrics.planned(time.perf_counter() - began)
            if decided.ruled is not None:
                failed = decided.ruled.failed
                context.metrics.ruled(decided.ruled.action.kind, failed=failed)
            if isinstance(decided, Refusal):
                return decided
            work.attributes["valerix.legs"] = len(decided.legs)
        try:
            return await _commit(context, merchant, request, decided, methods, meaning, made_by)
        except _CapacityGone:
            async with context.database.connect() as connection:
                chain = [each.account for each in merchant.accounts]
                accounts = await merchant_store.terms(connection, chain)
            merchant = msgspec.structs.replace(merchant, accounts=accounts)
    return Refusal("PlanInfeasible", "Other payments took the accounts' capacity meanwhile")


async def _commit(
    context: PaymentContext,
    merchant: Merchant,
    request: ExternalRequest,
    decided: Decided,
    methods: Mapping[str, str],
    meaning: bytes,
    made_by: MadeBy,
) -> UUID | StoredRequest:
    payment_id = uuid4()
    name = RequestId(request.merchant_id, request.request_id)
    async with context.database.begin() as tx:
        before = await requests.find(tx, name)
        if before is not None:
            return before
        await _reserve(tx, merchant, decided)
        await intents.open_legs(
            tx,
            decided.legs,
            payment_id=payment_id,
            currency=request.currency,
            made_by=made_by,
            traceparent=current_traceparent(),
            # Until then this request works on it; the reconciler takes over after it.
            grace_s=context.grace_s + merchant.budget_ms / 1000,
        )
        plan = decided.plan
        await requests.keep_plan(
            tx,
            payment_id,
            merchant_id=merchant.merchant_id,
            policy_version=merchant.policy_version,
            inputs=decided.inputs,
            legs=msgspec.to_builtins(plan.legs),
            certificate=None if plan.certificate is None else msgspec.to_builtins(plan.certificate),
            methods=dict(methods),
        )
        if not await requests.claim(tx, name, meaning, payment_id=payment_id):
            raise _CapacityGone  # the same request at the same time: nothing of this is kept
    context.metrics.moved("PROCESSING")
    return payment_id


async def _reserve(tx: Connection, merchant: Merchant, decided: Decided) -> None:
    """Make sure, with everybody else who plans waiting, that the capacity is still there; the
    attempts that commit with it hold it."""
    terms = {each.account: each for each in merchant.accounts}
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
            raise _CapacityGone


async def _drive(context: PaymentContext, merchant: Merchant, payment_id: UUID) -> None:
    """Ask the accounts for as long as the merchant's time lasts. Money is on its way from here on,
    so whatever happens the answer is how the payment stands."""
    budget_s = merchant.budget_ms / 1000
    if (left_s := remaining_s()) is not None:
        budget_s = min(budget_s, left_s - operations.RESERVE_S)
    try:
        payment = await charging.look(context, payment_id)
        if payment is not None and budget_s > 0:
            await operations.drive(
                context, payment, most=operations.MOST_ROUNDS_OF_A_ROUTE, budget_s=budget_s
            )
    except DatabaseTrouble as error:
        logger.warning(
            "the payment is left to the reconciler: %s",
            type(error).__name__,
            extra={"payment_id": payment_id},
        )


async def _again(
    context: PaymentContext, name: RequestId, before: StoredRequest, meaning: bytes
) -> RequestAnswer:
    """The first answer, or how the payment stands while there is none."""
    if before.request_hash != meaning:
        raise OtherRequest
    if before.answer is not None and before.status_code is not None:
        return RequestAnswer(before.status_code, before.answer, before.payment_id, replayed=True)
    if before.payment_id is None:
        raise LookupError(f"request {name.request_id} has neither payment nor answer")
    return await _answer(context, name, before.payment_id)


async def _answer(context: PaymentContext, name: RequestId, payment_id: UUID) -> RequestAnswer:
    async with context.database.connect() as connection:
        payment = await store.find(connection, payment_id)
        if payment is None:
            raise LookupError(f"no payment {payment_id}")
        plan = await requests.plan_of(connection, payment_id)
        status_code = status_of(payment)
        result = result_of(payment, plan)
        body = msgspec.json.encode(result)
        if status_code == 402:
            problem = Problem(402, contract.DECLINED, "Nothing was taken, and nothing will be")
            body = _as_problem(problem, result)
        if status_code == 202:
            return RequestAnswer(202, body, payment_id)
        if await requests.keep(connection, name, status_code, body):
            return RequestAnswer(status_code, body, payment_id)
        kept = await requests.find(connection, name)
    if kept is None or kept.answer is None or kept.status_code is None:
        raise LookupError(f"the answer to {name.request_id} is gone")
    return RequestAnswer(kept.status_code, kept.answer, payment_id, replayed=True)


def _as_problem(problem: Problem, result: PaymentResult) -> bytes:
    """A refusal is a problem document, with the members of the result beside its own."""
    return msgspec.json.encode(
        {**msgspec.json.decode(problem.body()), **msgspec.to_builtins(result)}
    )


async def _refused(
    context: PaymentContext, name: RequestId, meaning: bytes, refusal: Refusal
) -> RequestAnswer:
    """An answer without a payment; as final as any other, unless the request itself is wrong."""
    if refusal.field is not None:
        raise BadField(refusal.field, refusal.message)
    details = {"error_code": refusal.error_code, **refusal.details}
    problem = Problem(422, contract.NO_PLAN, refusal.message, details=details)
    if refusal.is_denial:
        problem = Problem(402, contract.DECLINED, refusal.message, details=details)
    status_code = problem.status
    body = _as_problem(problem, PaymentResult(None, None, success=False, steps=[]))
    async with context.database.connect() as connection:
        if await requests.claim(
            connection, name, meaning, payment_id=None, status_code=status_code, answer=body
        ):
            return RequestAnswer(status_code, body, None)
        before = await requests.find(connection, name)
    if before is None:
        raise LookupError(f"request {name.request_id} is gone")
    return await _again(context, name, before, meaning)
