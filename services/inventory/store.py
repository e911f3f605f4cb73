"""Inventory's SQL: the fences that make every operation safe to repeat, to lose and to reorder.

READ COMMITTED throughout: a fence is `ON CONFLICT DO NOTHING` and then a look at who won."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database.pool import Connection, Row, Statement, statement
from chassis.ids import new_id
from chassis.telemetry.context import current_traceparent
from services.inventory.domain import (
    AlreadySold,
    CannotCommit,
    MadeBy,
    OtherReservation,
    Reservation,
    StockLevel,
    TooMany,
    UnknownProduct,
)
from services.inventory.tables import reservations, stock

_SHOWN = (
    reservations.c.order_id,
    reservations.c.state,
    reservations.c.product_id,
    reservations.c.quantity,
)
_this_order = reservations.c.order_id == bindparam("order")
_this_product = stock.c.product_id == bindparam("product")
_units: Any = bindparam("units", type_=stock.c.stock.type)

_CLAIM = statement(
    insert(reservations)
    .values(
        order_id=bindparam("order"),
        product_id=bindparam("product"),
        quantity=_units,
        state="HELD",
        made_by=bindparam("made_by"),
    )
    .on_conflict_do_nothing()
    .returning(*_SHOWN),
    "INSERT inventory.reservations",
)
_LOCK = statement(
    select(*_SHOWN).where(_this_order).with_for_update(), "SELECT inventory.reservations"
)
_FIND = statement(select(*_SHOWN).where(_this_order), "SELECT inventory.reservations")
_MOVE = statement(
    update(reservations)
    .where(_this_order)
    .values(state=bindparam("to"), updated_at=func.now())
    .returning(*_SHOWN),
    "UPDATE inventory.reservations",
)
_TOMBSTONE = statement(
    insert(reservations)
    .values(order_id=bindparam("order"), state="RELEASED", made_by=bindparam("made_by"))
    .on_conflict_do_nothing()
    .returning(*_SHOWN),
    "INSERT inventory.reservations",
)


def _stock_move(kind: str, changes: str, *, condition: str = "true") -> Statement:
    """Units move, and the stock ledger says so: one statement, so that neither is without the
    other. `cause` is the order; a delivery is its own cause."""
    return statement(
        text(
            f"WITH moved AS (UPDATE inventory.stock SET {changes}"
            f" WHERE product_id = :product AND {condition}"
            " RETURNING product_id, stock, reserved, sold, total), noted AS ("
            " INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
            f" SELECT :cause ::uuid, '{kind}', product_id, :units ::int FROM moved)"
            " SELECT * FROM moved"
        ),
        "UPDATE inventory.stock, INSERT inventory.stock_moves",
    )


_TAKE = _stock_move(
    "reserved",
    "stock = stock - :units ::int, reserved = reserved + :units ::int",
    condition="stock >= :units ::int",
)
_GIVE_BACK = _stock_move(
    "released", "stock = stock + :units ::int, reserved = reserved - :units ::int"
)
_SELL = _stock_move("sold", "reserved = reserved - :units ::int, sold = sold + :units ::int")
# What `_begin` of chassis/database/pool.py does for a transaction, for a statement that commits by
# itself: triggers that run at its end find whose work it is.
_TRACED = "set_config('valerix.traceparent', coalesce(:traceparent ::text, ''), true)"
# The ordinary case in one statement. What is in its way makes it change nothing, and is looked at
# in a transaction; whoever comes second with the same order meets the primary key.
_HOLD = statement(
    text(
        "WITH taken AS ("
        " UPDATE inventory.stock"
        " SET stock = stock - :units ::int, reserved = reserved + :units ::int"
        " WHERE product_id = :product AND stock >= :units ::int AND NOT EXISTS"
        "   (SELECT FROM inventory.reservations WHERE order_id = :order)"
        " RETURNING product_id),"
        " noted AS ("
        " INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        " SELECT :order, 'reserved', product_id, :units ::int FROM taken)"
        " INSERT INTO inventory.reservations (order_id, product_id, quantity, state, made_by)"
        " SELECT :order ::uuid, product_id, :units ::int, 'HELD', :made_by ::text FROM taken"
        f" RETURNING order_id, state, product_id, quantity, {_TRACED} AS traced"
    ),
    "UPDATE inventory.stock, INSERT inventory.reservations, inventory.stock_moves",
)
# A statement that commits by itself: reservations are taken in the order in which one alone takes
# them, before their products, and products by their ids, so that no two wait for each other.
_SELL_MANY = statement(
    text(
        "WITH sold AS ("
        " UPDATE inventory.reservations SET state = 'COMMITTED', updated_at = now()"
        " WHERE order_id IN (SELECT order_id FROM inventory.reservations"
        "   WHERE order_id = ANY(:orders ::uuid[]) AND state = 'HELD' ORDER BY order_id FOR UPDATE)"
        " RETURNING order_id, product_id, quantity),"
        " locked AS (SELECT product_id FROM inventory.stock"
        "   WHERE product_id IN (SELECT product_id FROM sold) ORDER BY product_id FOR UPDATE),"
        " moved AS ("
        " UPDATE inventory.stock s SET reserved = reserved - units, sold = s.sold + units"
        " FROM (SELECT product_id, sum(quantity)::int AS units FROM sold JOIN locked"
        "   USING (product_id) GROUP BY product_id) each WHERE s.product_id = each.product_id),"
        " noted AS ("
        " INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        " SELECT order_id, 'sold', product_id, quantity FROM sold)"
        f" SELECT order_id, {_TRACED} AS traced FROM sold UNION ALL"
        " SELECT order_id, NULL FROM inventory.reservations"
        " WHERE order_id = ANY(:orders ::uuid[]) AND state = 'COMMITTED'"
    ),
    "UPDATE inventory.reservations, inventory.stock, INSERT inventory.stock_moves",
)
_DELIVER = _stock_move("delivered", "total = total + :units ::int, stock = stock + :units ::int")
_ALL = statement(select(*stock.c).order_by(stock.c.product_id), "SELECT inventory.stock")
_ONE = statement(select(*stock.c).where(_this_product), "SELECT inventory.stock")


def _reservation(row: Row) -> Reservation:
    return msgspec.convert(dict(row), Reservation)


async def hold(
    c: Connection, order_id: UUID, product_id: str, quantity: int, made_by: MadeBy
) -> Reservation | None:
    """`reserve` where nothing is in the way, in a statement that commits by itself; else None, and
    nothing is changed."""
    try:
        row = await c.row(
            _HOLD, order=order_id, product=product_id, units=quantity, made_by=made_by,
            traceparent=current_traceparent(),
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        return None
    if row is None:
        return None
    return Reservation(row["order_id"], row["state"], row["product_id"], row["quantity"])


async def reserve(
    tx: Connection, order_id: UUID, product_id: str, quantity: int, made_by: MadeBy
) -> Reservation:
    """Hold units once. HELD, or REJECTED for ever; a repeat gets the first answer again.

    A reservation that was RELEASED first comes back as such: the caller has been fenced off."""
    values = {"order": order_id, "product": product_id, "units": quantity, "made_by": made_by}
    try:
        claimed = await tx.row(_CLAIM, **values)
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownProduct(product_id) from error
    if claimed is None:
        return await _answer_again(tx, order_id, product_id, quantity)
    if await tx.row(_TAKE, cause=order_id, product=product_id, units=quantity):
        return _reservation(claimed)
    return await reject(tx, order_id)


async def reject(tx: Connection, order_id: UUID) -> Reservation:
    """Remember the no (rule R3): a refill later must not turn a repeat into a yes."""
    return _reservation(await _moved(tx, order_id, "REJECTED"))


async def _answer_again(
    tx: Connection, order_id: UUID, product_id: str, quantity: int
) -> Reservation:
    row = await tx.row(_FIND, order=order_id)
    if row is None:
        raise LookupError(order_id)
    found = _reservation(row)
    if found.product_id is not None and (found.product_id, found.quantity) != (
        product_id,
        quantity,
    ):
        raise OtherReservation(order_id)
    return found


async def release(tx: Connection, order_id: UUID, made_by: MadeBy) -> Reservation:
    """Give units back, or leave a tombstone where there is nothing yet (rule R4)."""
    if (tomb := await bury(tx, order_id, made_by)) is not None:
        return tomb
    row = await tx.row(_LOCK, order=order_id)
    if row is None:
        # Only reachable without the tombstone: nothing to release, and nothing remembers that.
        return Reservation(order_id, "RELEASED", None, 0)
    found = _reservation(row)
    if found.state == "COMMITTED":
        raise AlreadySold(order_id)
    if found.state != "HELD":
        return found
    await tx.row(_GIVE_BACK, cause=order_id, product=found.product_id, units=found.quantity)
    return _reservation(await _moved(tx, order_id, "RELEASED"))


async def bury(tx: Connection, order_id: UUID, made_by: MadeBy) -> Reservation | None:
    """The tombstone: if the reserve has not come yet, it now comes too late."""
    row = await tx.row(_TOMBSTONE, order=order_id, made_by=made_by)
    return None if row is None else _reservation(row)


async def commit(tx: Connection, order_id: UUID) -> Reservation:
    """What was held is sold, once."""
    row = await tx.row(_LOCK, order=order_id)
    if row is None:
        raise CannotCommit("nothing")
    found = _reservation(row)
    if found.state == "COMMITTED":
        return found
    if found.state != "HELD":
        raise CannotCommit(found.state)
    await tx.row(_SELL, cause=order_id, product=found.product_id, units=found.quantity)
    return _reservation(await _moved(tx, order_id, "COMMITTED"))


async def commit_many(c: Connection, order_ids: list[UUID]) -> list[UUID]:
    """What these orders held is sold, once; those of them whose goods are sold now."""
    parent = current_traceparent()
    return [
        row["order_id"] for row in await c.rows(_SELL_MANY, orders=order_ids, traceparent=parent)
    ]


async def _moved(tx: Connection, order_id: UUID, to: str) -> Row:
    row = await tx.row(_MOVE, order=order_id, to=to)
    if row is None:
        raise LookupError(order_id)
    return row


async def restock(c: Connection, product_id: str, quantity: int) -> StockLevel:
    """A delivery."""
    try:
        row = await c.row(_DELIVER, cause=new_id(), product=product_id, units=quantity)
    except asyncpg.NumericValueOutOfRangeError as error:
        raise TooMany(product_id) from error
    if row is None:
        raise UnknownProduct(product_id)
    return msgspec.convert(dict(row), StockLevel)


async def list_stock(c: Connection) -> list[StockLevel]:
    """All products by id."""
    return [msgspec.convert(dict(row), StockLevel) for row in await c.rows(_ALL)]


async def find_stock(c: Connection, product_id: str) -> StockLevel:
    """One product; raises `UnknownProduct`."""
    row = await c.row(_ONE, product=product_id)
    if row is None:
        raise UnknownProduct(product_id)
    return msgspec.convert(dict(row), StockLevel)


async def find_reservation(c: Connection, order_id: UUID) -> Reservation | None:
    """An order's reservation, if it ever came."""
    row = await c.row(_FIND, order=order_id)
    return None if row is None else _reservation(row)
