"""The wallet service's endpoints: `paying.py` and `moving.py` do the work."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from chassis.database.pool import Database
from chassis.http.json_body import Strict
from chassis.http.openapi import KeyedOperation, answered, limit_clamped_to, refused
from chassis.http.problems import MEDIA_TYPE, Problem, invalid_parameter
from chassis.idempotency import key_of
from services.wallet import contract, history
from services.wallet.answers import WalletReply, location_of, view, wallet_not_found
from services.wallet.api_keys import api_key_guard, client_now, incoming_money_guard, may_see
from services.wallet.contract import (
    DEFAULT_PAGE,
    MAX_PAGE,
    BalanceView,
    Deposit,
    PayProvider,
    TransactionPage,
    TransactionView,
    TransferMoney,
    WalletBalances,
    WalletPage,
    WalletView,
)
from services.wallet.domain import Balance, UnknownTransaction, UnknownWallet
from services.wallet.moving import Movements
from services.wallet.paying import WalletPayments
from services.wallet.settings import WalletSettings
from services.wallet.store import PAYMENTS_DUE

_CLAMPED = (
    "The answer's `limit` is what was used; `limit_clamped` is true where another was asked for"
)
_NO_KEY = refused("No API key, or not a good one")
_NO_WALLET = refused("There is no such wallet, or this key does not open it")
_KEYED = {
    201: answered(TransactionView, "Done"),
    400: refused("The request does not fit"),
    401: _NO_KEY,
    404: _NO_WALLET,
    422: refused("This key was used for another request"),
    503: refused("Too busy; nothing was done"),
}


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


def _demand(user_id: str) -> None:
    """Raise 404 for a name that no user can have, and for one whose wallet this client may not
    know of."""
    if not re.fullmatch(contract.NAME, user_id) or not may_see(user_id):
        raise wallet_not_found(UnknownWallet(user_id[:64].replace("\x00", "")))


def _answer(reply: WalletReply, user_id: str) -> Response[bytes]:
    headers = {}
    if reply.transaction_id is not None:
        headers["Location"] = location_of(user_id, reply.transaction_id)
    if reply.status_code == 504:
        headers["Retry-After"] = "1"
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    media_type = MEDIA_TYPE if reply.status_code >= 400 else "application/json"
    return Response(
        reply.body, status_code=reply.status_code, media_type=media_type, headers=headers
    )


def _key(request: Request[Any, Any, Any]) -> str:
    return str(key_of(request.scope, required=True))  # type: ignore[arg-type]


@post(
    "/wallets/{user_id:str}/payments", dto=Strict[PayProvider], return_dto=None,
    operation_class=KeyedOperation, guards=[api_key_guard],
    summary="Pay a provider from a wallet, once",
    responses={
        **_KEYED,
        402: refused("DECLINED: the gateway declined; nothing was taken"),
        409: refused("INSUFFICIENT_FUNDS, or the first request with this key is still running"),
        502: refused("GATEWAY_ERROR: nothing was taken"),
        504: refused("GATEWAY_TIMEOUT: not known yet; Location shows how it ends"),
    },
)  # fmt: skip
async def pay_provider(
    user_id: FromPath[str], data: JSONBody[PayProvider], state: State,
    request: Request[Any, Any, Any],
) -> Response[bytes]:  # fmt: skip
    """POST /wallets/{user_id}/payments: 201, 402, 409, 502 or 504."""
    _demand(user_id)
    payments: WalletPayments = state["payments"]
    key = _key(request)
    return _answer(await payments.pay(client_now.get().application, user_id, data, key), user_id)


@post(
    "/wallets/{user_id:str}/deposits", dto=Strict[Deposit], return_dto=None,
    operation_class=KeyedOperation, guards=[api_key_guard, incoming_money_guard],
    summary="Put money into a wallet, once; the first deposit opens it",
    responses={**_KEYED, 403: refused("A shopper's own token brings no money in")},
)  # fmt: skip
async def deposit_money(
    user_id: FromPath[str], data: JSONBody[Deposit], state: State, request: Request[Any, Any, Any]
) -> Response[bytes]:
    """POST /wallets/{user_id}/deposits: 201, PENDING until it is sealed."""
    _demand(user_id)
    movements: Movements = state["movements"]
    key = _key(request)
    return _answer(
        await movements.deposit(client_now.get().application, user_id, data, key), user_id
    )


@post(
    "/transfers", dto=Strict[TransferMoney], return_dto=None,
    operation_class=KeyedOperation, guards=[api_key_guard],
    summary="Move money from one user's wallet to another's, once",
    responses={**_KEYED, 409: refused("INSUFFICIENT_FUNDS")},
)  # fmt: skip
async def transfer_money(
    data: JSONBody[TransferMoney], state: State, request: Request[Any, Any, Any]
) -> Response[bytes]:
    """POST /transfers: 201, 409."""
    _demand(data.from_user_id)
    movements: Movements = state["movements"]
    key = _key(request)
    reply = await movements.transfer(client_now.get().application, data, key)
    return _answer(reply, data.from_user_id)


@get(
    "/wallets", guards=[api_key_guard],
    summary="The wallets that this key opens, by user",
    responses={400: refused("This is not a cursor of ours"), 401: _NO_KEY},
)  # fmt: skip
async def list_wallets(
    state: State,
    limit: Annotated[int, limit_clamped_to(MAX_PAGE, _CLAMPED)] = DEFAULT_PAGE,
    cursor: Annotated[str | None, QueryParameter()] = None,
) -> WalletPage:
    """GET /wallets: a page; `limit` is clamped to 1..100, and says so."""
    most = max(1, min(limit, MAX_PAGE))
    after = "" if cursor is None else history.read_user_cursor(cursor)
    async with _database(state).connect() as connection:
        found = await history.wallets(connection, most + 1, after, client_now.get().user_id)
    shown = [
        WalletView(each.user_id, each.opened_at, [_balance_view(one) for one in each.balances])
        for each in found[:most]
    ]
    more = history.write_user_cursor(shown[-1].user_id) if len(found) > most else None
    return WalletPage(shown, most, most != limit, more)


@get(
    "/wallets/{user_id:str}/balance", guards=[api_key_guard],
    summary="What a wallet holds, now or at an instant",
    responses={400: refused("`at` is no instant, or is to come"), 401: _NO_KEY, 404: _NO_WALLET},
)  # fmt: skip
async def show_balance(
    user_id: FromPath[str], state: State, at: Annotated[str | None, QueryParameter()] = None
) -> WalletBalances:
    """GET /wallets/{user_id}/balance."""
    _demand(user_id)
    instant = None if at is None else _instant(at)
    async with _database(state).connect() as connection:
        now = await history.now(connection)
        if instant is not None and instant > now:
            raise invalid_parameter("at", "must not be an instant that is still to come")
        try:
            found = await history.balances(connection, user_id, instant)
        except UnknownWallet as error:
            raise wallet_not_found(error) from None
    return WalletBalances(user_id, instant or now, [_balance_view(each) for each in found])


def _instant(given: str) -> datetime:
    try:
        instant = msgspec.convert(given, datetime)
        if instant.tzinfo is None:
            raise ValueError("no zone")
        return instant.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise invalid_parameter(
            "at", "must be an instant, such as 2026-11-28T12:00:00Z (a + in an address is %2B)"
        ) from None


def _balance_view(balance: Balance) -> BalanceView:
    return BalanceView(
        balance.currency,
        balance.posted_minor,
        balance.pending_out_minor,
        balance.pending_in_minor,
        balance.posted_minor - balance.pending_out_minor,
    )


@get(
    "/wallets/{user_id:str}/transactions", guards=[api_key_guard],
    summary="A user's history, newest first",
    responses={400: refused("This is not a cursor of ours"), 401: _NO_KEY, 404: _NO_WALLET},
)  # fmt: skip
async def list_transactions(
    user_id: FromPath[str],
    state: State,
    limit: Annotated[int, limit_clamped_to(MAX_PAGE, _CLAMPED)] = DEFAULT_PAGE,
    cursor: Annotated[str | None, QueryParameter()] = None,
) -> TransactionPage:
    """GET /wallets/{user_id}/transactions: a page; `limit` is clamped to 1..100, and says so."""
    _demand(user_id)
    settings: WalletSettings = state["settings"]
    most = max(1, min(limit, MAX_PAGE))
    before = None if cursor is None else history.read_cursor(cursor, user_id)
    try:
        async with _database(state).connect() as connection:
            found = await history.page(connection, user_id, most + 1, before)
    except UnknownWallet as error:
        raise wallet_not_found(error) from None
    shown = found[:most]
    more = history.write_cursor(shown[-1]) if len(found) > most else None
    views = [view(each, settings.urls.get("dashboard", "")) for each in shown]
    return TransactionPage(views, most, most != limit, more)


@get(
    "/wallets/{user_id:str}/transactions/{transaction_id:str}", guards=[api_key_guard],
    summary="One transaction", responses={401: _NO_KEY, 404: refused("There is no such one")},
)  # fmt: skip
async def show_transaction(
    user_id: FromPath[str], transaction_id: FromPath[UUID], state: State
) -> TransactionView:
    """GET /wallets/{user_id}/transactions/{id}; looking at a payment that waits makes it due."""
    _demand(user_id)
    settings: WalletSettings = state["settings"]
    try:
        async with _database(state).connect() as connection:
            found = await history.find(connection, user_id, transaction_id)
            if found.kind == "PAYMENT" and found.status == "PENDING":
                await PAYMENTS_DUE.hasten(connection, transaction_id)
    except UnknownTransaction:
        raise Problem(
            404, contract.TRANSACTION_NOT_FOUND, "This wallet has no such transaction",
            details={"transaction_id": transaction_id},
        ) from None  # fmt: skip
    return view(found, settings.urls.get("dashboard", ""))


ROUTES: list[BaseRouteHandler] = [
    pay_provider, deposit_money, transfer_money, list_wallets, show_balance, list_transactions,
    show_transaction,
]  # fmt: skip
