"""What can be asked about policies: is this one, keep it, who has it, what would it have done."""

import asyncio
import logging
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post, put
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET

from chassis.database.pool import Connection
from chassis.http.json_body import Strict
from chassis.http.openapi import answered, refused
from chassis.http.problems import Problem, shed
from chassis.http.shop_identity import internal_guard
from chassis.identity.caller import needs_role
from chassis.identity.owners import actor_of
from services.payment import contract
from services.payment.context import PaymentContext
from services.payment.contract import (
    AskWhatIf,
    MerchantPolicy,
    PolicyCheck,
    PolicyMistake,
    PolicyRule,
    PolicyText,
    PolicyVersion,
    SetPolicy,
    WhatIfResult,
)
from services.payment.merchants import store as merchant_store
from services.payment.policies import store
from services.payment.policies.capacity import DaysCapacity
from services.payment.policies.what_if import (
    BadTerms,
    StoredDecision,
    WhatIf,
    ranged,
    reconsider,
    summed,
)
from services.payment.policy import Mistake, Policy, read_policy

logger = logging.getLogger(__name__)

_Merchant = Annotated[str, PathParameter(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
_NO_OPERATOR = refused("This needs the operator token")
# Payments ask in between, and the last of these wait for as long as one decision takes.
_DECISIONS_AT_ONCE = 4


@post(
    "/policies/check",
    guards=[internal_guard],
    dto=Strict[PolicyText],
    return_dto=None,
    status_code=200,
    summary="Whether a text is a policy, and every mistake with line and column",
)
async def check_policy(data: JSONBody[PolicyText], state: State) -> PolicyCheck:
    """POST /policies/check."""
    context: PaymentContext = state["context"]
    async with context.database.connect() as connection:
        read = read_policy(data.text, await store.providers(connection))
        if not isinstance(read, Policy):
            return PolicyCheck(None, None, [], _mistakes(read), saved=False)
        saved = await store.find(connection, read.version) is not None
    rules = [
        PolicyRule(each.line, each.when, str(each.action), str(each.on_error))
        for each in read.rules
    ]
    return PolicyCheck(read.version, read.text, rules, [], saved=saved)


@post(
    "/policies",
    guards=[needs_role("operator")],
    dto=Strict[PolicyText],
    return_dto=None,
    responses={
        200: answered(PolicyVersion, "It was saved before"),
        401: _NO_OPERATOR,
        422: refused("It is not a policy; `details` has every mistake"),
    },
    summary="Save a policy as a version, which never changes",
)
async def save_policy(
    data: JSONBody[PolicyText], request: Request[Any, Any, Any], state: State
) -> Response[PolicyVersion]:
    """POST /policies: 201 saved, 200 saved before."""
    context: PaymentContext = state["context"]
    async with context.database.connect() as connection:
        policy = _demanded(data.text, await store.providers(connection))
        is_new = await store.save(connection, policy.version, policy.text)
        saved = await store.find(connection, policy.version)
    if saved is None:
        raise LookupError(f"policy {policy.version} is gone")
    if is_new:
        change = {"policy_version": policy.version, "actor": actor_of(request)}
        logger.warning("a policy was saved", extra=change)
    return Response(saved, status_code=201 if is_new else 200)


@put(
    "/merchants/{merchant_id:str}/policy",
    guards=[needs_role("operator")],
    dto=Strict[SetPolicy],
    return_dto=None,
    responses={401: _NO_OPERATOR, 404: refused("There is no such merchant, or no such version")},
    summary="Which policy a merchant's next payments are asked of",
)
async def give_policy(
    merchant_id: _Merchant,
    data: JSONBody[SetPolicy],
    request: Request[Any, Any, Any],
    state: State,
) -> MerchantPolicy:
    """PUT /merchants/{merchant_id}/policy."""
    context: PaymentContext = state["context"]
    async with context.database.connect() as connection:
        if await store.find(connection, data.version) is None:
            raise Problem(404, contract.POLICY_NOT_FOUND, "No policy was saved as this version")
        if not await store.give(connection, merchant_id, data.version):
            raise Problem(404, contract.MERCHANT_NOT_FOUND, "There is no such merchant")
    change = {"merchant_id": merchant_id, "policy_version": data.version}
    logger.warning("a merchant got a policy", extra={**change, "actor": actor_of(request)})
    return MerchantPolicy(merchant_id, data.version)


@post(
    "/policies/what-if",
    guards=[internal_guard],
    dto=Strict[AskWhatIf],
    return_dto=None,
    status_code=200,
    responses={
        422: refused("It is not a policy, or no account has such terms; `details` says where"),
        503: refused("Another what-if is being worked out"),
    },
    summary="What a policy, or other terms, would have done with the last payments",
)
async def ask_what_if(data: JSONBody[AskWhatIf], state: State) -> WhatIfResult:
    """POST /policies/what-if."""
    context: PaymentContext = state["context"]
    if data.text is UNSET and not data.terms:
        raise _bad_terms("/terms", "without a draft there must be other terms to try")
    places: asyncio.Semaphore = state["what_ifs"]
    if places.locked():
        raise shed("Another what-if is being worked out; ask again", code=contract.WHAT_IF_BUSY)
    merchant = "" if data.merchant_id is UNSET else data.merchant_id
    async with places:
        async with context.database.connect() as connection:
            what_if = await _what_if(connection, data)
            stored = await store.decisions(connection, last=data.last, merchant_id=merchant)
            refused = await store.refused(connection, stored, merchant, last=data.last)
            without_plan = await store.without_plan(connection, stored, merchant, last=data.last)
        found = []
        for number, each in enumerate(sorted([*stored, *refused], key=_came_at), 1):
            able = {account for account in each.accounts if _two_phase(context, account)}
            try:
                found.append(reconsider(what_if, each, able))
            except BadTerms as wrong:
                raise _bad_terms(f"/terms/{wrong.account}", str(wrong)) from None
            if number % _DECISIONS_AT_ONCE == 0:
                await asyncio.sleep(0)
    version = None if what_if.policy is None else what_if.policy.version
    return summed(version, found[::-1], without_plan)


POLICY_ROUTES: list[BaseRouteHandler] = [check_policy, save_policy, give_policy, ask_what_if]


async def _what_if(connection: Connection, data: AskWhatIf) -> WhatIf:
    """What is asked for, if it can be tried at all."""
    providers = await store.providers(connection)
    policy = None if data.text is UNSET else _demanded(data.text, providers)
    if unknown := sorted(data.terms.keys() - set(providers)):
        raise _bad_terms(f"/terms/{unknown[0]}", "there is no such account")
    for now in await merchant_store.terms(connection, sorted(data.terms)):
        try:
            ranged(now.account, msgspec.structs.asdict(now), data.terms)
        except BadTerms as wrong:
            raise _bad_terms(f"/terms/{wrong.account}", str(wrong)) from None
    other = {
        account: terms.daily_capacity_minor
        for account, terms in data.terms.items()
        if terms.daily_capacity_minor is not UNSET
    }
    return WhatIf(policy, data.terms, DaysCapacity(await store.capacity(connection), other))


def _came_at(stored: StoredDecision) -> datetime:
    return stored.at


def _two_phase(context: PaymentContext, account: str) -> bool:
    """Whether an account can take one of several legs; one without a connector today could then."""
    connector = context.connector_of(account)
    return connector is None or connector.can.two_phase


def _bad_terms(pointer: str, why: str) -> Problem:
    """What no schema can say of terms."""
    details = [{"pointer": pointer, "message": why}]
    return Problem(422, contract.TERMS_INVALID, f"{pointer}: {why}", details=details)


def _demanded(text: str, providers: tuple[str, ...]) -> Policy:
    read = read_policy(text, providers)
    if isinstance(read, Policy):
        return read
    first = read[0]
    raise Problem(
        422,
        contract.POLICY_INVALID,
        f"Line {first.line}, column {first.column}: {first.message}; nothing was done",
        details={"mistakes": _mistakes(read)},
    )


def _mistakes(found: tuple[Mistake, ...]) -> list[PolicyMistake]:
    return [PolicyMistake(each.line, each.column, each.code, each.message) for each in found]
