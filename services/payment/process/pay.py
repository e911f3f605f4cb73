"""POST /process-payment, step by step: who asks, with what, what is decided, asked and answered.

What is decided commits in one transaction (plan, legs, attempts, the request's name) before any
account is asked for money; from there on the reconciler finishes what this request does not."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from chassis.database.pool import Connection, DatabaseTrouble
from chassis.http.problems import Problem
from chassis.idempotency import request_hash
from services.payment import charging, contract, operations, store
from services.payment.breakers import store as breakers
from services.payment.context import PaymentContext
from services.payment.domain import WALLET, MadeBy
from services.payment.merchants import store as merchant_store
from services.payment.merchants.merchant import Merchant
from services.payment.process import cards
from services.payment.process import store as requests
from services.payment.process.answering import result_of, status_of
from services.payment.process.contexts import (
    BadField,
    DomainContext,
    NoAccountNow,
    OtherRequest,
    TraceContext,
    UnknownMerchant,
    time_is_up_at,
)
from services.payment.process.deciding import Refusal
from services.payment.process.messages import ExternalRequest, PaymentResult
from services.payment.process.opening import open_planned
from services.payment.process.paying_with import admitted, kept_card, steps_of
from services.payment.process.store import RequestId, StoredRequest
from services.payment.process.wallets import meaning_of, wallet_share

logger = logging.getLogger(__name__)

# Beyond the merchant's time: what an account has answered is settled, and the answer is written.
_ANSWER_S = 1.0
_NOTHING = "Nothing was taken, and nothing will be"
_REFUNDED = "What was taken was given back, and nothing more will be taken"


class RequestAnswer(msgspec.Struct, frozen=True):
    """Status and bytes; `replayed` where they are those of the first answer."""

    status_code: int
    body: bytes
    payment_id: UUID | None
    replayed: bool = False


class _Meaning(msgspec.Struct, frozen=True):
    """What a request means: the card's number is only its fingerprint."""

    request: dict[str, Any]


async def process(
    context: PaymentContext, request: ExternalRequest, made_by: MadeBy, owner: str
) -> RequestAnswer:
    """Take the money of a merchant's request, once. Raises `UnknownMerchant`, `OtherRequest`,
    `BadField`, `NoAccountNow` or `CapacityUsedUp`, and then nothing was done."""
    async with context.database.connect() as connection:
        merchant = await merchant_store.find(connection, request.merchant_id)
        if merchant is None:
            raise UnknownMerchant(request.merchant_id)
        card, wallet = await kept_card(connection, request), wallet_share(request)
        if wallet is not None:
            merchant = await _with_wallet(
                connection, merchant, is_alone=wallet.amount_minor == request.amount
            )
        domain = DomainContext(
            trace=TraceContext.now(made_by, owner),
            merchant=merchant,
            request=request,
            meaning=_meaning_of(request, card),
            until=time_is_up_at(merchant),
            wallet=wallet,
        )
        before = await requests.find(connection, domain.name)
    if before is not None:
        return await _again(context, domain, before)
    accounts = await admitted(context, domain)
    steps = await steps_of(context, domain, accounts)
    try:
        opened = await open_planned(context, domain, accounts, steps)
    except NoAccountNow:
        asked = {each.account for each in steps}
        out = [each.account for each in merchant.accounts if each.account not in asked]
        logger.warning("no account can be asked now; left out: %s", ", ".join(out) or "none")
        raise
    if isinstance(opened, StoredRequest):
        return await _again(context, domain, opened)
    if isinstance(opened, Refusal):
        return await _refused(context, domain, opened)
    return await _accepted(domain, opened, _drive_and_answer(context, domain, opened))


async def _with_wallet(connection: Connection, merchant: Merchant, *, is_alone: bool) -> Merchant:
    """The merchant with wallets behind its accounts, or with them alone."""
    others = () if is_alone else tuple(each for each in merchant.accounts if each.account != WALLET)
    terms = await merchant_store.terms(connection, [WALLET])
    return msgspec.structs.replace(merchant, accounts=(*others, *terms))


def _meaning_of(request: ExternalRequest, kept: cards.KeptCard | None) -> bytes:
    means: dict[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(request, payment_method=UNSET)
    )
    means["card"] = None if kept is None else kept.fingerprint
    means.update(meaning_of(request))
    return request_hash("POST", "/process-payment", request.merchant_id, _Meaning(means))


async def _accepted(
    domain: DomainContext, payment_id: UUID, answer: Coroutine[Any, Any, RequestAnswer]
) -> RequestAnswer:
    """The answer about a payment that is committed, within the merchant's time. Money may be on its
    way, so where the database does not say how it stands, that is the answer: 202."""
    try:
        async with asyncio.timeout(max(0.0, domain.left_s) + _ANSWER_S):
            return await answer
    except (DatabaseTrouble, TimeoutError) as error:
        logger.warning(
            "the payment is left to the reconciler: %s",
            type(error).__name__,
            extra={"payment_id": payment_id},
        )
    body = msgspec.json.encode(PaymentResult(None, payment_id, success=False, steps=[]))
    return RequestAnswer(202, body, payment_id)


async def _drive_and_answer(
    context: PaymentContext, domain: DomainContext, payment_id: UUID
) -> RequestAnswer:
    """Ask the accounts for as long as the merchant's time lasts, and answer how it stands."""
    payment = await charging.look(context, payment_id)
    if payment is not None and (left_s := domain.left_s) > 0:
        await operations.drive(
            context, payment, most=operations.MOST_ROUNDS_OF_A_ROUTE, budget_s=left_s
        )
    return await _answer(context, domain.name, payment_id)


async def _again(
    context: PaymentContext, domain: DomainContext, before: StoredRequest
) -> RequestAnswer:
    """The first answer, or how the payment stands while there is none."""
    if before.request_hash != domain.meaning:
        raise OtherRequest
    if before.answer is not None and before.status_code is not None:
        return RequestAnswer(before.status_code, before.answer, before.payment_id, replayed=True)
    if before.payment_id is None:
        raise LookupError(f"request {domain.name.request_id} has neither payment nor answer")
    payment_id = before.payment_id
    return await _accepted(domain, payment_id, _answer(context, domain.name, payment_id))


async def _answer(context: PaymentContext, name: RequestId, payment_id: UUID) -> RequestAnswer:
    async with context.database.connect() as connection:
        payment = await store.find(connection, payment_id)
        if payment is None:
            raise LookupError(f"no payment {payment_id}")
        plan, inputs = await requests.plan_of(connection, payment_id)
        status_code = status_of(payment)
        declined = {each.updated_at for each in payment.newest if each.state == "FAILED"}
        closed_at = {at: await breakers.open_at(connection, at) for at in declined}
        result = result_of(payment, plan, fallback=inputs["fallback"], closed_at=closed_at)
        body = msgspec.json.encode(result)
        if status_code == 402:
            was_taken = any(each.state == "REFUNDED" for each in payment.newest)
            problem = Problem(402, contract.DECLINED, _REFUNDED if was_taken else _NOTHING)
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
    context: PaymentContext, domain: DomainContext, refusal: Refusal
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
            connection,
            domain.name,
            domain.meaning,
            payment_id=None,
            status_code=status_code,
            answer=body,
            inputs=refusal.inputs and {**refusal.inputs, "refusal": refusal.message},
        ):
            return RequestAnswer(status_code, body, None)
        before = await requests.find(connection, domain.name)
    if before is None:
        raise LookupError(f"request {domain.name.request_id} is gone")
    return await _again(context, domain, before)
