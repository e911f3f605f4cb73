"""What the database holds of an act: orders since it began, money in doubt, stock."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Connection, Database, statement
from proof.clients.intent import Intent
from proof.clients.oracle import RECORDED, contradictions_so_far, orders_of
from scenarios.conditions import ExpectedStock, OrderCounts

# The same condition as the order service's own index of what is due.
_DUE = (
    "(status IN ('PENDING', 'PENDING_INVENTORY', 'PENDING_PAYMENT', 'CANCELLING')"
    " OR (status = 'CONFIRMED' AND stock_committed_at IS NULL))"
)
_ORDERS = statement(
    text(
        """
SELECT count(*) AS placed,
       count(*) FILTER (WHERE settled_at IS NULL) AS open,
       count(*) FILTER (WHERE status = 'PENDING_INVENTORY') AS pending_inventory,
       count(*) FILTER (WHERE status = 'PENDING_PAYMENT') AS pending_payment,
       count(*) FILTER (WHERE status = 'CONFIRMED') AS confirmed,
       count(*) FILTER (WHERE reason = 'PAYMENT_DECLINED') AS declined,
       count(*) FILTER (WHERE reason = 'OUT_OF_STOCK') AS sold_out,
       count(*) FILTER (WHERE status = 'FAILED'
         AND reason NOT IN ('PAYMENT_DECLINED', 'OUT_OF_STOCK')) AS failed
FROM orders.orders WHERE created_at >= :since"""
    ),
    "SELECT an act's orders",
)
_REST = statement(
    text(
        f"""
SELECT now() AS at,
  (SELECT coalesce(sum(amount_minor), 0)::bigint FROM payments.payments
    WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')) AS money_in_doubt,
  (SELECT greatest(0, coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0))::float8
    FROM orders.orders WHERE {_DUE}) AS overdue_s"""  # noqa: S608 - a constant of this module
    ),
    "SELECT money in doubt",
)
_STOCK = statement(
    text("SELECT product_id, stock, reserved, sold FROM inventory.stock LIMIT 200"),
    "SELECT stock",
)
_RECORDED = statement(
    text(RECORDED.format(keys="CAST(:keys AS text[])")), "SELECT what customers ordered"
)


class CountingStart(Struct, frozen=True):
    """When an act began, by the database's clock, and how much had been sold by then."""

    at: datetime
    sold: dict[str, int]


async def start_counting(database: Database) -> CountingStart:
    """The moment from which an act counts."""
    async with database.connect() as connection:
        rest = await connection.row(_REST)
        stock = await connection.rows(_STOCK)
    if rest is None:
        raise LookupError("the database has no time")
    return CountingStart(rest["at"], {row["product_id"]: row["sold"] for row in stock})


async def read_counts(database: Database, since: CountingStart) -> OrderCounts:
    """Everything an act asks the database, in three short statements."""
    async with database.connect() as connection:
        return OrderCounts(
            orders=await _orders(connection, since),
            stock=await _stock(connection, since),
            **dict(await connection.row(_REST) or {}),
        )


async def _orders(connection: Connection, since: CountingStart) -> dict[str, int]:
    return dict(await connection.row(_ORDERS, since=since.at) or {})


async def _stock(connection: Connection, since: CountingStart) -> dict[str, ExpectedStock]:
    return {
        row["product_id"]: ExpectedStock(
            row["stock"], row["reserved"], row["sold"] - since.sold.get(row["product_id"], 0)
        )
        for row in await connection.rows(_STOCK)
    }


async def count_lost(database: Database, intents: Sequence[Intent]) -> int:
    """How many customers were answered what the database contradicts."""
    async with database.connect() as connection:
        rows = await connection.rows(_RECORDED, keys=[intent.key for intent in intents])
    recorded = orders_of(rows)
    return sum(bool(contradictions_so_far(intent, recorded.get(intent.key))) for intent in intents)
