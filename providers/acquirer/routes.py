"""The acquirer's endpoints: Stripe's API below /v1, the settlement file, and its operator's own."""

import logging
from typing import Annotated, Any

from litestar import Response, get, post, put
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler, delete
from litestar.params import FromPath, JSONBody, PathParameter

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import Problem
from chassis.identity.caller import needs_role
from chassis.identity.owners import OTHER_CREDENTIAL, actor_of
from providers.acquirer import (
    event_store,
    payment_methods,
    payments,
    reading,
    refunds,
    store,
    webhooks,
)
from providers.acquirer.api import Asked, answer_read, answer_write, context_of
from providers.acquirer.contract import AccountList, AccountView, SetMode, WebhookFaults
from providers.acquirer.domain import (
    Account,
    AccountEvent,
    BalanceTransaction,
    CardCharge,
    PaymentIntent,
    PaymentMethod,
    Refund,
    WebhookEndpoint,
)
from providers.acquirer.errors import Refused
from providers.acquirer.execute import Act

logger = logging.getLogger(__name__)

_Name = Annotated[str, PathParameter(pattern="^[a-z]{1,40}$")]
_NO_OPERATOR = refused("This needs the operator token")
# What Stripe's API lists, by its path.
_LISTED: dict[str, tuple[str, type]] = {
    "/v1/payment_intents": ("payment_intent", PaymentIntent),
    "/v1/charges": ("charge", CardCharge),
    "/v1/refunds": ("refund", Refund),
    "/v1/balance_transactions": ("balance_transaction", BalanceTransaction),
    "/v1/events": ("event", AccountEvent),
    "/v1/webhook_endpoints": ("webhook_endpoint", WebhookEndpoint),
}
# What Stripe lets be searched.
_SEARCHED = ("/v1/payment_intents", "/v1/charges")
_FOUND = {**_LISTED, "/v1/payment_methods": ("payment_method", PaymentMethod)}


def _write(path: str, what: str, act: Act, summary: str) -> HTTPRouteHandler:
    @post(path, status_code=200, summary=summary, opt=OTHER_CREDENTIAL)
    async def write(request: Asked, state: State) -> Response[bytes]:
        return await answer_write(request, state, what, act, **request.path_params)

    return write


def _list(path: str, what: str, shape: type) -> HTTPRouteHandler:
    @get(
        path,
        summary=f"A page of the account's objects: {what}, newest first",
        opt=OTHER_CREDENTIAL,
    )
    async def list_page(request: Asked, state: State) -> Response[bytes]:
        async def read(connection: Any, account: Account, given: Any) -> Any:
            return await reading.list_objects(connection, account, given, what, shape, path)

        return await answer_read(request, state, read)

    return list_page


def _no_search(path: str) -> HTTPRouteHandler:
    @get(
        path + "/search",
        summary="Refused: nothing is searched here",
        include_in_schema=False,
        opt=OTHER_CREDENTIAL,
    )
    async def search(request: Asked) -> Response[bytes]:
        raise Refused(404, f"Unrecognized request URL (GET: {path}/search): search is not supported"
                      " here; list instead.")  # fmt: skip

    return search


def _retrieve(path: str, what: str, shape: type) -> HTTPRouteHandler:
    @get(
        path + "/{object_id:str}",
        summary=f"One of the account's objects: {what}",
        opt=OTHER_CREDENTIAL,
    )
    async def retrieve(request: Asked, state: State, object_id: FromPath[str]) -> Response[bytes]:
        async def read(connection: Any, account: Account, given: Any) -> Any:
            return await reading.retrieve(connection, account, given, what, shape, object_id)

        return await answer_read(request, state, read)

    return retrieve


@delete(
    "/v1/webhook_endpoints/{endpoint_id:str}",
    status_code=200,
    summary="Send no more events",
    opt=OTHER_CREDENTIAL,
)
async def delete_webhook_endpoint(
    request: Asked, state: State, endpoint_id: FromPath[str]
) -> Response[bytes]:
    """DELETE /v1/webhook_endpoints/{endpoint_id}."""
    act = webhooks.delete_endpoint
    return await answer_write(request, state, "webhook_endpoint", act, endpoint_id=endpoint_id)


@get("/v1/balance", summary="What the account is owed, by currency", opt=OTHER_CREDENTIAL)
async def show_balance(request: Asked, state: State) -> Response[bytes]:
    """GET /v1/balance."""
    return await answer_read(request, state, reading.balance)


@get(
    "/settlement",
    summary="A UTC day's captures, refunds and fees of the account, as CSV",
    opt=OTHER_CREDENTIAL,
)
async def show_settlement(request: Asked, state: State) -> Response[bytes]:
    """GET /settlement?date=2026-11-28."""
    return await answer_read(request, state, reading.settlement)


@get("/accounts", summary="The accounts: what each takes, what it costs, how it misbehaves")
async def list_accounts(state: State) -> AccountList:
    """GET /accounts."""
    async with context_of(state).database.connect() as connection:
        return AccountList([_view(a) for a in await store.list_accounts(connection)])


@put(
    "/accounts/{name:str}/mode",
    dto=Strict[SetMode],
    return_dto=None,
    guards=[needs_role("operator")],
    summary="Let an account misbehave, or behave again",
    responses={401: _NO_OPERATOR, 404: refused("There is no such account")},
)
async def set_mode(
    name: _Name, data: JSONBody[SetMode], request: Asked, state: State
) -> AccountView:
    """PUT /accounts/{name}/mode."""
    async with context_of(state).database.connect() as connection:
        account = await store.set_mode(connection, name, data.mode)
    if account is None:
        raise Problem(404, "account-not-found", "There is no such account")
    change = {"account": name, "mode": data.mode, "actor": actor_of(request)}
    logger.warning("an account's mode was set", extra=change)
    return _view(account)


@get("/webhook-faults", summary="How badly webhooks travel")
async def show_webhook_faults(state: State) -> WebhookFaults:
    """GET /webhook-faults."""
    async with context_of(state).database.connect() as connection:
        return await event_store.faults(connection)


@put(
    "/webhook-faults",
    dto=Strict[WebhookFaults],
    return_dto=None,
    guards=[needs_role("operator")],
    summary="Let webhooks come twice, late, out of order, forged, or never",
    responses={401: _NO_OPERATOR},
)
async def set_webhook_faults(
    data: JSONBody[WebhookFaults], request: Asked, state: State
) -> WebhookFaults:
    """PUT /webhook-faults."""
    async with context_of(state).database.connect() as connection:
        faults = await event_store.set_faults(connection, data)
    logger.warning("the faults of webhooks were set", extra={"actor": actor_of(request)})
    return faults


def _view(account: Account) -> AccountView:
    values = {name: getattr(account, name) for name in AccountView.__struct_fields__}
    return AccountView(**values)


_INTENT = "/v1/payment_intents"
ROUTES: list[BaseRouteHandler] = [
    _write(_INTENT, "payment_intent", payments.create, "Make an intent; with confirm, pay it"),
    _write(_INTENT + "/{intent_id:str}/confirm", "payment_intent", payments.confirm, "Pay it"),
    _write(
        _INTENT + "/{intent_id:str}/capture",
        "payment_intent",
        payments.capture,
        "Take what is held, or a part of it",
    ),
    _write(
        _INTENT + "/{intent_id:str}/cancel", "payment_intent", payments.cancel, "Release, or end it"
    ),
    _write(
        "/v1/payment_methods", "payment_method", payment_methods.create, "Exchange a card for it"
    ),
    _write("/v1/refunds", "refund", refunds.create, "Give back what was captured, or a part"),
    _write(
        "/v1/webhook_endpoints",
        "webhook_endpoint",
        webhooks.create_endpoint,
        "Where events are to go; the answer has the secret that signs them",
    ),
    *(_list(path, *of) for path, of in _LISTED.items()),
    *(_retrieve(path, *of) for path, of in _FOUND.items()),
    *(_no_search(path) for path in _SEARCHED),
    delete_webhook_endpoint,
    show_balance,
    show_settlement,
    list_accounts,
    set_mode,
    show_webhook_faults,
    set_webhook_faults,
]
