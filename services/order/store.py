"""The order service's SQL: intent before effect, and every decision a compare-and-set."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Float,
    bindparam,
    case,
    cast,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.sql import ColumnElement

from chassis.database.pool import Connection, Row, statement
from chassis.due_work import in_seconds
from chassis.idempotency import IdempotencyStore
from services.order.contract import ProductView, Reason, Status, TransitionView
from services.order.domain import TERMINAL, NotForSale, Order, UnknownOrder
from services.order.tables import history, idempotency, orders, products

KEYS = IdempotencyStore(idempotency, entity=idempotency.c.order_id)

_o = orders.c
_OVERDUE = (_o.deadline_at <= func.now()).label("overdue")
_SHOWN = (
    _o.id, _o.product_id, _o.quantity, _o.unit_price_minor, _o.amount_minor, _o.currency,
    _o.payment_id, _o.wallet_id, _o.owner, _o.status, _o.reason, _o.last_outcome,
    _o.stock_committed_at, _o.version, _o.attempts, _o.traceparent, _o.created_at, _o.updated_at,
    _o.settled_at, _OVERDUE,
)  # fmt: skip


def _in_seconds(name: str) -> ColumnElement[datetime]:
    return in_seconds(cast(bindparam(name), Float))


_PLACE = statement(
    insert(orders)
    .from_select(
        ["id", "product_id", "quantity", "unit_price_minor", "amount_minor", "currency",
         "payment_id", "wallet_id", "owner", "status", "next_attempt_at", "deadline_at",
         "traceparent"],
        select(
            cast(bindparam("id"), _o.id.type),
            products.c.product_id,
            cast(bindparam("quantity"), _o.quantity.type),
            products.c.price_minor,
            products.c.price_minor * cast(bindparam("quantity"), _o.quantity.type),
            products.c.currency,
            cast(bindparam("payment_id"), _o.payment_id.type),
            cast(bindparam("wallet_id"), _o.wallet_id.type),
            cast(bindparam("owner"), _o.owner.type),
            text("'PENDING'"),
            _in_seconds("lease_s"),
            _in_seconds("deadline_s"),
            cast(bindparam("traceparent"), _o.traceparent.type),
        ).where(products.c.product_id == bindparam("product")),
    )
    .returning(*_SHOWN),
    "INSERT orders.orders",
)  # fmt: skip
# Whose work a step is: the trigger writes it into the history.
_STEP = cast(bindparam("step_traceparent"), _o.step_traceparent.type)
_to = cast(bindparam("to"), _o.status.type)
# Rule R7: whoever moves the order must have seen its latest version.
_MOVE = statement(
    update(orders)
    .where(_o.id == bindparam("order"), _o.version == bindparam("seen"))
    .values(
        status=_to,
        reason=func.coalesce(cast(bindparam("why"), _o.reason.type), _o.reason),
        last_outcome=cast(bindparam("outcome"), _o.last_outcome.type),
        cancelled_by=func.coalesce(_o.cancelled_by, cast(bindparam("by"), _o.owner.type)),
        step_traceparent=_STEP,
        version=_o.version + 1,
        # Attempts in the present state: progress starts the backoff afresh.
        attempts=case((_o.status == _to, _o.attempts + 1), else_=0),
        next_attempt_at=_in_seconds("next_s"),
        updated_at=func.now(),
        settled_at=case((or_(*(_to == end for end in sorted(TERMINAL))), func.now()), else_=None),
    )
    .returning(*_SHOWN),
    "UPDATE orders.orders",
)
_COMMITTED = statement(
    update(orders)
    .where(_o.id == bindparam("order"), _o.version == bindparam("seen"))
    .values(
        stock_committed_at=func.now(),
        version=_o.version + 1,
        updated_at=func.now(),
        step_traceparent=_STEP,
    )
    .returning(*_SHOWN),
    "UPDATE orders.orders",
)
_POSTPONE = statement(
    update(orders)
    .where(_o.id == bindparam("order"), _o.version == bindparam("seen"))
    .values(attempts=_o.attempts + 1, next_attempt_at=_in_seconds("next_s")),
    "UPDATE orders.orders",
)
_SEEN = "(SELECT * FROM unnest(:ids ::uuid[], :versions ::int[]) AS seen (id, version)) seen"
_MANY_COMMITTED = statement(
    text(
        "UPDATE orders.orders o SET stock_committed_at = now(), version = o.version + 1,"
        " updated_at = now(), step_traceparent = :step_traceparent ::text"
        f" FROM {_SEEN} WHERE o.id = seen.id AND o.version = seen.version"
    ),
    "UPDATE orders.orders",
)
_POSTPONE_MANY = statement(
    text(
        "UPDATE orders.orders o SET attempts = attempts + 1,"
        " next_attempt_at = now() + make_interval(secs => :next_s)"
        f" FROM {_SEEN} WHERE o.id = seen.id AND o.version = seen.version"
    ),
    "UPDATE orders.orders",
)
_FIND = statement(select(*_SHOWN).where(_o.id == bindparam("order")), "SELECT orders.orders")
_NEWEST = select(*_SHOWN).order_by(_o.created_at.desc(), _o.id.desc()).limit(bindparam("most"))
_OLDER = _NEWEST.where(
    tuple_(_o.created_at, _o.id)
    < tuple_(cast(bindparam("at"), _o.created_at.type), cast(bindparam("after"), _o.id.type))
)
# Said twice, so that the index that leaves out what is nobody's can be used.
_OWN = ((_o.owner == bindparam("owner")) & (_o.owner != text("'anonymous'")),)
_PAGES = {
    (is_own, is_older): statement(
        (_OLDER if is_older else _NEWEST).where(*(_OWN if is_own else ())), "SELECT orders.orders"
    )
    for is_own in (False, True)
    for is_older in (False, True)
}
_HISTORY = statement(
    select(history).where(history.c.order_id == bindparam("order")).order_by(history.c.version),
    "SELECT orders.history",
)
_PRODUCTS = statement(select(products).order_by(products.c.product_id), "SELECT orders.products")


def _order(row: Row) -> Order:
    return msgspec.convert(dict(row), Order)


async def place(
    tx: Connection,
    order_id: UUID,
    payment_id: UUID,
    product_id: str,
    quantity: int,
    *,
    lease_s: float,
    deadline_s: float,
    traceparent: str | None,
    wallet_id: str | None = None,
    owner: str = "anonymous",
) -> Order:
    """Commit to an order before anything is asked of anyone (rule R1), at today's price, whose it
    is, and which payment will pay for it, from whose wallet, if from one."""
    row = await tx.row(
        _PLACE, id=order_id, payment_id=payment_id, product=product_id, quantity=quantity,
        lease_s=lease_s, deadline_s=deadline_s, traceparent=traceparent, wallet_id=wallet_id,
        owner=owner,
    )  # fmt: skip
    if row is None:
        raise NotForSale(product_id)
    return _order(row)


async def move(
    c: Connection,
    order: Order,
    to: Status,
    *,
    next_s: float,
    reason: Reason | None = None,
    outcome: str | None = None,
    traceparent: str | None = None,
    by: str | None = None,
) -> Order | None:
    """The order in its new state; None when someone else moved it first. `traceparent` is the
    work's that moves it, `by` who asked for its end."""
    row = await c.row(
        _MOVE, order=order.id, seen=order.version, to=to, why=reason, outcome=outcome,
        next_s=next_s, step_traceparent=traceparent, by=by,
    )  # fmt: skip
    return None if row is None else _order(row)


async def mark_committed(
    c: Connection, order: Order, *, traceparent: str | None = None
) -> Order | None:
    """The stock of a confirmed order is sold; None when another driver recorded it first."""
    row = await c.row(_COMMITTED, order=order.id, seen=order.version, step_traceparent=traceparent)
    return None if row is None else _order(row)


async def postpone(c: Connection, order: Order, next_s: float) -> None:
    """Due again later; the order itself does not move."""
    await c.execute(_POSTPONE, order=order.id, seen=order.version, next_s=next_s)


async def mark_many_committed(
    c: Connection, sold: Sequence[Order], *, traceparent: str | None = None
) -> None:
    """The stock of these confirmed orders is sold; whichever another driver recorded first is left
    as it is."""
    if sold:
        await c.execute(_MANY_COMMITTED, step_traceparent=traceparent, **_seen(sold))


async def postpone_many(c: Connection, orders: Sequence[Order], next_s: float) -> None:
    """Due again later; none of them moves."""
    await c.execute(_POSTPONE_MANY, next_s=next_s, **_seen(orders))


def _seen(orders: Sequence[Order]) -> dict[str, Any]:
    return {
        "ids": [order.id for order in orders],
        "versions": [order.version for order in orders],
    }


async def find(c: Connection, order_id: UUID) -> Order:
    """The order; raises `UnknownOrder`."""
    row = await c.row(_FIND, order=order_id)
    if row is None:
        raise UnknownOrder(order_id)
    return _order(row)


async def page(
    c: Connection, most: int, after: tuple[datetime, UUID] | None, *, owner: str | None = None
) -> list[Order]:
    """Orders, newest first, older than `after`; of everybody, or of one `owner`."""
    place = {} if after is None else {"at": after[0], "after": after[1]}
    whose = {} if owner is None else {"owner": owner}
    statement_ = _PAGES[owner is not None, after is not None]
    return [_order(row) for row in await c.rows(statement_, most=most, **place, **whose)]


async def list_history(c: Connection, order_id: UUID) -> list[TransitionView]:
    """Every version of the order, oldest first; raises `UnknownOrder`."""
    rows = await c.rows(_HISTORY, order=order_id)
    if not rows:
        raise UnknownOrder(order_id)
    return [_transition(row) for row in rows]


def _transition(row: Row) -> TransitionView:
    traceparent: str | None = row["traceparent"]
    return TransitionView(
        row["version"], row["src"], row["dst"], row["reason"], row["outcome"], row["attempts"],
        row["at"], traceparent.split("-")[1] if traceparent else None,
    )  # fmt: skip


async def list_products(c: Connection) -> list[ProductView]:
    """The price list."""
    return [msgspec.convert(dict(row), ProductView) for row in await c.rows(_PRODUCTS)]
