"""Reads the shop's own tables, read-only, for what the pages show.

Watching through the services' business routes would change what is watched: a list fetched every
second turns a grey light green, dilutes the average behind it, and is itself bitten by the gremlin
it should show (docs/decisions/0013-watch-from-outside.md)."""

# ruff: noqa: S608 - only this module's own constants are put into these statements.

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import text

from chassis.database.pool import Database, Row, statement
from frontend.query_results import (
    ActiveGremlin,
    AttemptRecord,
    Figures,
    OrderDetails,
    OrderRecord,
    ProductRecord,
    ShopSnapshot,
    StepRecord,
)
from observatory.sla import WINDOW_S
from topology import SERVICES

T = TypeVar("T")

RECENT = 14

_ORDER = """
  o.id::text AS order_id, o.status, o.reason, o.product_id, p.name AS product, o.quantity,
  o.amount_minor, o.currency, o.attempts, o.payment_id::text AS payment_id,
  coalesce(split_part(o.traceparent, '-', 2), '') AS trace_id,
  o.created_at, o.settled_at, m.state AS payment, o.owner
FROM orders.orders o JOIN orders.products p USING (product_id)
LEFT JOIN payments.payments m ON m.payment_id = o.payment_id
"""
_RECENT = statement(
    text(f"SELECT {_ORDER} ORDER BY o.created_at DESC, o.id DESC LIMIT :limit"),
    "SELECT recent orders",
)
# The index of owners leaves out what is nobody's.
_ORDERS_OF = statement(
    text(
        f"SELECT {_ORDER} WHERE o.owner = :owner AND o.owner <> 'anonymous'"
        " ORDER BY o.created_at DESC, o.id DESC LIMIT :limit"
    ),
    "SELECT orders of one owner",
)
_ORDER_BY_ID = statement(
    text(f"SELECT {_ORDER} WHERE o.id = :order_id"),
    "SELECT order",
)
_HISTORY = statement(
    text(
        "SELECT dst AS status, reason, at,"
        " coalesce(split_part(traceparent, '-', 2), '') AS trace_id"
        " FROM orders.history WHERE order_id = :order_id ORDER BY version LIMIT 200"
    ),
    "SELECT history",
)
_RESERVATION = statement(
    text(
        "SELECT state, created_at, updated_at FROM inventory.reservations"
        " WHERE order_id = :order_id"
    ),
    "SELECT reservation",
)
_ATTEMPTS = statement(
    text(
        "SELECT n AS number, provider, state, coalesce(detail, '') AS detail, updated_at AS at,"
        " leg_n AS leg"
        " FROM payments.attempts WHERE payment_id = :payment_id ORDER BY leg_n, n LIMIT 50"
    ),
    "SELECT attempts",
)
_ATTEMPT_STATES = statement(
    text(
        "SELECT leg_n, n, dst, at FROM payments.attempt_history WHERE payment_id = :payment_id"
        " ORDER BY leg_n, n, id LIMIT 200"
    ),
    "SELECT attempt history",
)
# Each part is an index scan over what is recent or open, never over all orders.
_FIGURES = statement(
    text(
        """
WITH recent AS (
  SELECT count(*) AS placed,
         count(*) FILTER (WHERE status = 'CONFIRMED') AS confirmed,
         count(*) FILTER (WHERE status NOT IN ('CONFIRMED', 'FAILED')) AS pending,
         count(*) FILTER (WHERE status = 'FAILED' AND reason IN
           ('OUT_OF_STOCK', 'PAYMENT_DECLINED', 'PAYMENT_CANCELLED', 'USER_CANCELLED')) AS refused,
         coalesce(sum(amount_minor) FILTER (WHERE status = 'CONFIRMED'), 0)::bigint AS settled_minor
  FROM orders.orders WHERE created_at > now() - make_interval(secs => :window_s)
), open AS (
  SELECT count(*) AS pending_now, min(created_at) AS oldest_pending_at FROM orders.orders
  WHERE status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')
), doubt AS (
  SELECT count(*) AS in_doubt, coalesce(sum(amount_minor), 0)::bigint AS in_doubt_minor
  FROM payments.payments
  WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')
)
SELECT *,
  coalesce((SELECT currency FROM orders.products ORDER BY product_id LIMIT 1), '') AS currency
FROM recent, open, doubt"""
    ),
    "SELECT figures",
)
_PRODUCTS = statement(
    text(
        "SELECT p.product_id, p.name, p.price_minor, p.currency, s.stock, s.total"
        " FROM orders.products p LEFT JOIN inventory.stock s USING (product_id)"
        " ORDER BY p.product_id LIMIT 50"
    ),
    "SELECT products",
)
_GREMLINS = statement(
    text(
        " UNION ALL ".join(
            f"SELECT '{process.key}' AS service, name, kind, probability, delay_ms, jitter_ms,"
            " status, started_by, started_at, expires_at,"
            " extract(epoch FROM expires_at - now())::float8 AS remaining_s"
            f" FROM {process.schema}.gremlins WHERE expires_at > now()"
            for process in SERVICES
        )
        + " ORDER BY started_at, name"
    ),
    "SELECT gremlins",
)


class Queries:
    """Every query of the pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def shop(self) -> ShopSnapshot:
        """Recent orders, one more than is shown, with the headline figures and the products."""
        async with self._database.connect() as connection:
            orders = await connection.rows(_RECENT, limit=RECENT + 1)
            figures = await connection.row(_FIGURES, window_s=WINDOW_S)
            products = await connection.rows(_PRODUCTS)
        return ShopSnapshot(
            _all(orders, OrderRecord),
            msgspec.convert(dict(figures or {}), Figures),
            _all(products, ProductRecord),
        )

    async def orders(self, owner: str | None, limit: int) -> tuple[OrderRecord, ...]:
        """The newest orders: of one owner, or (None) of everybody."""
        async with self._database.connect() as connection:
            if owner is None:
                rows = await connection.rows(_RECENT, limit=limit)
            else:
                rows = await connection.rows(_ORDERS_OF, owner=owner, limit=limit)
        return _all(rows, OrderRecord)

    async def gremlins(self) -> tuple[ActiveGremlin, ...]:
        """What is loose now, in every service, the oldest first."""
        async with self._database.connect() as connection:
            return _all(await connection.rows(_GREMLINS), ActiveGremlin)

    async def order(self, order_id: uuid.UUID) -> OrderDetails | None:
        """One order with all that belongs to it; None if there is no such order."""
        async with self._database.connect() as connection:
            order = await connection.row(_ORDER_BY_ID, order_id=order_id)
            if order is None:
                return None
            steps = await connection.rows(_HISTORY, order_id=order_id)
            reservation = await connection.row(_RESERVATION, order_id=order_id)
            payment_id = uuid.UUID(order["payment_id"])
            attempts = await connection.rows(_ATTEMPTS, payment_id=payment_id)
            changes = await connection.rows(_ATTEMPT_STATES, payment_id=payment_id)
        states: dict[tuple[int, int], list[tuple[str, datetime]]] = {}
        for change in changes:
            moment = (change["dst"], change["at"])
            states.setdefault((change["leg_n"], change["n"]), []).append(moment)
        return OrderDetails(
            msgspec.convert(dict(order), OrderRecord),
            _all(steps, StepRecord),
            reservation["state"] if reservation else None,
            tuple(
                replace(attempt, states=tuple(states.get((attempt.leg, attempt.number), ())))
                for attempt in _all(attempts, AttemptRecord)
            ),
            (reservation["created_at"], reservation["updated_at"]) if reservation else (),
        )


def _all(rows: Sequence[Row], shape: type[T]) -> tuple[T, ...]:
    return tuple(msgspec.convert(dict(row), shape) for row in rows)
