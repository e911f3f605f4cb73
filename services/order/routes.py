"""The order service's endpoints: `place_order.py` and `checkout.py` do the work."""

import time
from typing import Annotated, Any, cast
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from chassis.database.pool import Connection, Database
from chassis.http.asgi import Scope
from chassis.http.json_body import Strict
from chassis.http.openapi import KeyedOperation, answered, limit_up_to, refused
from chassis.http.parameters import rows_of
from chassis.http.problems import MEDIA_TYPE, Problem
from chassis.idempotency import key_of
from chassis.identity.caller import Caller, caller_of
from chassis.identity.owners import FOR_SHOPPERS, known_caller, may_see, sees_all
from services.order import store
from services.order.checkout import Checkout
from services.order.contract import (
    DEFAULT_PAGE,
    MAX_PAGE,
    OrderHistory,
    OrderPage,
    OrderView,
    PlaceOrder,
    ProductList,
)
from services.order.domain import CANCELLABLE, Order, UnknownOrder
from services.order.due_work import ORDERS_DUE
from services.order.place_order import OrderPlacement, Reply, note_order, wallet_of
from services.order.settings import OrderSettings
from services.order.views import order_view, read_cursor, write_cursor
from services.wallet.contract import WALLET_NOT_FOUND


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


async def _find(connection: Connection, order_id: UUID, caller: Caller) -> Order:
    """The order; raises `UnknownOrder`, also for one that is not this caller's to see."""
    order = await store.find(connection, order_id)
    if not may_see(caller, order.owner):
        raise UnknownOrder(order_id)
    return order


def _demand_own_wallet(caller: Caller, command: PlaceOrder) -> None:
    """Raise 404 where a shopper would pay from another's wallet."""
    user_id = wallet_of(command)
    if user_id is not None and not may_see(caller, user_id):
        raise Problem(
            404, WALLET_NOT_FOUND, "There is no such wallet, or this token does not open it",
            details={"user_id": user_id},
        )  # fmt: skip


def _not_found(order_id: UUID) -> Problem:
    return Problem(404, "order-not-found", "There is no such order", details={"order_id": order_id})


def _answer(reply: Reply) -> Response[bytes]:
    headers = {}
    if reply.order_id is not None:
        headers["Location"] = f"/orders/{reply.order_id}"
    if reply.replayed:
        headers["Idempotent-Replayed"] = "true"
    media_type = MEDIA_TYPE if reply.status_code >= 400 else "application/json"
    return Response(
        reply.body, status_code=reply.status_code, media_type=media_type, headers=headers
    )


@post(
    "/orders", dto=Strict[PlaceOrder], return_dto=None, operation_class=KeyedOperation,
    summary="Place an order", opt=FOR_SHOPPERS,
    responses={
        201: answered(OrderView, "Confirmed"),
        202: answered(OrderView, "Accepted, not decided yet"),
        402: refused("The payment was declined"),
        404: refused("There is no such product, or the wallet is another's"),
        409: refused("Out of stock, or the first request with this key is still running"),
        422: refused("This key was used for another request"),
        503: refused("Too busy; nothing was done"),
    },
)  # fmt: skip
async def place_order(
    data: JSONBody[PlaceOrder], state: State, request: Request[Any, Any, Any]
) -> Response[bytes]:
    """POST /orders: 201 confirmed, 202 being processed, 402 declined, 409 out of stock."""
    placement: OrderPlacement = state["placement"]
    caller = caller_of(request)
    _demand_own_wallet(caller, data)
    key = key_of(cast("Scope", request.scope), required=False)
    return _answer(await placement.place(data, key, caller.subject))


@get("/orders", summary="Orders, newest first; a shopper's own", opt=FOR_SHOPPERS)
async def list_orders(
    state: State,
    request: Request[Any, Any, Any],
    limit: Annotated[int, limit_up_to(MAX_PAGE)] = DEFAULT_PAGE,
    cursor: Annotated[str | None, QueryParameter()] = None,
) -> OrderPage:
    """GET /orders: a page, of a shopper's own orders; more than 200 are 200."""
    caller = caller_of(request)
    most = rows_of(limit, MAX_PAGE)
    after = None if cursor is None else read_cursor(cursor)
    async with _database(state).connect() as connection:
        owner = None if sees_all(caller) else caller.subject
        found = await store.page(connection, most + 1, after, owner=owner)
    shown = found[:most]
    more = write_cursor(shown[-1]) if len(found) > most else None
    return OrderPage([order_view(order) for order in shown], more)


@get(
    "/orders/{order_id:str}", summary="One order", opt=FOR_SHOPPERS,
    responses={404: refused("There is no such order, or it is another's")},
)  # fmt: skip
async def show_order(
    order_id: FromPath[UUID], state: State, request: Request[Any, Any, Any]
) -> OrderView:
    """GET /orders/{order_id}; looking at an order that waits makes it due."""
    try:
        async with _database(state).connect() as connection:
            order = await _find(connection, order_id, caller_of(request))
            if order.is_waiting:
                await ORDERS_DUE.hasten(connection, order_id)
    except UnknownOrder:
        raise _not_found(order_id) from None
    return order_view(order)


@get(
    "/orders/{order_id:str}/history", summary="Every step of an order's life", opt=FOR_SHOPPERS,
    responses={404: refused("There is no such order, or it is another's")},
)  # fmt: skip
async def show_history(
    order_id: FromPath[UUID], state: State, request: Request[Any, Any, Any]
) -> OrderHistory:
    """GET /orders/{order_id}/history."""
    try:
        async with _database(state).connect() as connection:
            await _find(connection, order_id, caller_of(request))
            return OrderHistory(order_id, await store.list_history(connection, order_id))
    except UnknownOrder:
        raise _not_found(order_id) from None


@post(
    "/orders/{order_id:str}/cancel", status_code=200, guards=[known_caller],
    summary="Cancel an undecided order",
    responses={
        202: answered(OrderView, "Being cancelled"),
        401: refused("This needs the owner's token, or an operator's"),
        404: refused("There is no such order, or it is another's"),
        409: refused("The order is decided already"),
    },
)  # fmt: skip
async def cancel_order(
    order_id: FromPath[UUID], state: State, request: Request[Any, Any, Any]
) -> Response[OrderView]:
    """POST /orders/{order_id}/cancel: 200 cancelled, 202 being cancelled, 409 decided already."""
    checkout: Checkout = state["checkout"]
    settings: OrderSettings = state["settings"]
    caller = caller_of(request)
    until = time.monotonic() + settings.request_budget_s
    while True:
        try:
            async with _database(state).connect() as connection:
                order = await _find(connection, order_id, caller)
        except UnknownOrder:
            raise _not_found(order_id) from None
        note_order(order_id)
        if order.status not in CANCELLABLE:
            break
        cancelling = await checkout.cancel(order, caller.subject)
        if cancelling is not None:
            order = await checkout.drive_for_caller(cancelling, until=until)
            break
    if order.status == "CONFIRMED" or (
        order.status in ("FAILED", "CANCELLING") and order.reason != "USER_CANCELLED"
    ):
        raise Problem(
            409, "state-conflict", f"The order cannot be cancelled any more: {order.message}",
            details={"order_id": order_id, "status": order.status, "reason": order.reason},
        )  # fmt: skip
    return Response(order_view(order), status_code=200 if order.is_settled else 202)


@get("/products", summary="What is for sale, at what price", opt=FOR_SHOPPERS)
async def list_products(state: State) -> ProductList:
    """GET /products."""
    async with _database(state).connect() as connection:
        return ProductList(await store.list_products(connection))


ROUTES: list[BaseRouteHandler] = [
    place_order, list_orders, show_order, show_history, cancel_order, list_products,
]  # fmt: skip
