"""Inventory's endpoints: a few lines each, the SQL does the work."""

import logging
from uuid import UUID

from litestar import get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from chassis.database.pool import Database, demand_caller
from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import Problem
from chassis.http.shop_identity import caller_now, internal_guard
from chassis.identity.caller import needs_role
from chassis.identity.owners import FOR_SHOPPERS
from services.inventory import contract, store
from services.inventory.contract import (
    CommitMany,
    CommitStock,
    CommittedOrders,
    ReleaseStock,
    ReservationView,
    ReserveStock,
    RestockProduct,
    StockList,
    StockView,
)
from services.inventory.domain import (
    AlreadySold,
    CannotCommit,
    OtherReservation,
    Reservation,
    StockLevel,
    TooMany,
    UnknownProduct,
)

logger = logging.getLogger(__name__)


def _database(state: State) -> Database:
    database: Database = state["database"]
    return database


def _view(reservation: Reservation) -> ReservationView:
    return ReservationView(
        reservation.order_id, reservation.state, reservation.product_id, reservation.quantity
    )


def _stock_view(stock: StockLevel) -> StockView:
    return StockView(stock.product_id, stock.stock, stock.reserved, stock.sold, stock.total)


def _unknown_product(product_id: str) -> Problem:
    return Problem(
        404, "product-not-found", "There is no such product", details={"product_id": product_id}
    )


@get("/inventory", summary="All products and their units", opt=FOR_SHOPPERS)
async def list_stock(state: State) -> StockList:
    """GET /inventory."""
    async with _database(state).connect() as connection:
        return StockList([_stock_view(stock) for stock in await store.list_stock(connection)])


_NO_PRODUCT = refused("There is no such product")


@get(
    "/inventory/{product_id:str}",
    summary="One product and its units",
    opt=FOR_SHOPPERS,
    responses={404: _NO_PRODUCT},
)
async def show_stock(product_id: FromPath[str], state: State) -> StockView:
    """GET /inventory/{product_id}."""
    try:
        async with _database(state).connect() as connection:
            return _stock_view(await store.find_stock(connection, _printable(product_id)))
    except UnknownProduct:
        raise _unknown_product(product_id) from None


def _printable(product_id: str) -> str:
    if "\x00" in product_id:
        raise _unknown_product(product_id)
    return product_id


@get(
    "/inventory/reservations/{order_id:str}",
    guards=[internal_guard],
    summary="What an order holds",
    responses={404: refused("Inventory has not heard of this order")},
)
async def show_reservation(order_id: FromPath[UUID], state: State) -> ReservationView:
    """GET /inventory/reservations/{order_id}."""
    async with _database(state).connect() as connection:
        found = await store.find_reservation(connection, order_id)
    if found is None:
        raise Problem(404, "reservation-not-found", "Inventory has not heard of this order")
    return _view(found)


@post(
    "/inventory/reserve",
    guards=[internal_guard],
    dto=Strict[ReserveStock],
    return_dto=None,
    status_code=200,
    summary="Hold stock for an order, once",
    responses={
        404: _NO_PRODUCT,
        409: refused("Out of stock, or fenced: the order's stock was released before"),
        422: refused("The order already reserved something else"),
    },
)
async def reserve_stock(data: JSONBody[ReserveStock], state: State) -> ReservationView:
    """POST /inventory/reserve: 200 HELD or COMMITTED, 409 out-of-stock, 409 fenced."""
    try:
        found = await _reserved(data, _database(state))
    except UnknownProduct:
        raise _unknown_product(data.product_id) from None
    except OtherReservation:
        raise Problem(
            422, "reservation-mismatch", "This order already reserved something else"
        ) from None
    if found.state == "REJECTED":
        raise Problem(
            409,
            contract.OUT_OF_STOCK,
            "There is not enough in stock",
            details={"order_id": data.order_id, "product_id": data.product_id},
        )
    if found.state == "RELEASED":
        logger.warning("fenced a late reserve", extra={"order_id": str(data.order_id)})
        raise Problem(
            409,
            contract.FENCED,
            "This order's stock was released before; nothing was held",
            details={"order_id": data.order_id},
        )
    return _view(found)


async def _reserved(data: ReserveStock, database: Database) -> Reservation:
    """At once where nothing is in the way, or as the transaction finds it."""
    what = (data.order_id, data.product_id, data.quantity, caller_now.get())
    demand_caller()
    async with database.connect() as connection:
        held = await store.hold(connection, *what)
    if held is not None:
        return held
    async with database.begin(for_caller=True) as tx:
        return await store.reserve(tx, *what)


@post(
    "/inventory/release",
    guards=[internal_guard],
    dto=Strict[ReleaseStock],
    return_dto=None,
    status_code=200,
    summary="Give an order's stock back, once, even before it was reserved",
    responses={409: refused("What was sold cannot be released")},
)
async def release_stock(data: JSONBody[ReleaseStock], state: State) -> ReservationView:
    """POST /inventory/release: 200 RELEASED or REJECTED, 409 when it was sold."""
    try:
        async with _database(state).begin(for_caller=True) as tx:
            return _view(await store.release(tx, data.order_id, caller_now.get()))
    except AlreadySold:
        logger.error("release of sold stock refused", extra={"order_id": str(data.order_id)})
        raise Problem(409, "already-sold", "What was sold cannot be released") from None


@post(
    "/inventory/commit",
    guards=[internal_guard],
    dto=Strict[CommitStock],
    return_dto=None,
    status_code=200,
    summary="What an order holds is sold, once",
    responses={409: refused("There is nothing held to sell")},
)
async def commit_stock(data: JSONBody[CommitStock], state: State) -> ReservationView:
    """POST /inventory/commit: 200 COMMITTED, 409 when there is nothing held."""
    try:
        async with _database(state).begin(for_caller=True) as tx:
            return _view(await store.commit(tx, data.order_id))
    except CannotCommit as error:
        logger.error(
            "commit without a hold", extra={"order_id": str(data.order_id), "state": error.state}
        )
        raise Problem(
            409, "nothing-held", f"There is nothing held to sell: {error.state}"
        ) from None


@post(
    "/inventory/commits",
    guards=[internal_guard],
    dto=Strict[CommitMany],
    return_dto=None,
    status_code=200,
    summary="What several orders hold is sold, once; which of them are sold",
)
async def commit_stocks(data: JSONBody[CommitMany], state: State) -> CommittedOrders:
    """POST /inventory/commits: 200; an order that holds nothing is left out of the answer."""
    async with _database(state).connect() as connection:
        return CommittedOrders(await store.commit_many(connection, data.order_ids))


@post(
    "/inventory/restock",
    dto=Strict[RestockProduct],
    return_dto=None,
    status_code=200,
    guards=[needs_role("operator")],
    summary="A delivery: more of a product",
    responses={
        401: refused("This needs the operator token"),
        404: _NO_PRODUCT,
        422: refused("That many units cannot be counted"),
    },
)
async def restock_product(data: JSONBody[RestockProduct], state: State) -> StockView:
    """POST /inventory/restock."""
    try:
        async with _database(state).connect() as connection:
            return _stock_view(await store.restock(connection, data.product_id, data.quantity))
    except UnknownProduct:
        raise _unknown_product(data.product_id) from None
    except TooMany:
        raise Problem(422, "too-many", "That many units cannot be counted") from None


ROUTES: list[BaseRouteHandler] = [
    list_stock, show_stock, show_reservation, reserve_stock, release_stock, commit_stock,
    commit_stocks, restock_product,
]  # fmt: skip
