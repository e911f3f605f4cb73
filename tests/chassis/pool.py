"""Work to do on a small pool: add a product, and see whether it is there."""

import asyncpg
from sqlalchemy import text

from chassis.database.pool import Database, statement

PRODUCT = statement(
    text("INSERT INTO orders.products VALUES (:id, 'x', 1, 'EUR')"), "INSERT product"
)
SLEEP = statement(text("SELECT pg_sleep(:seconds)"))
# Tight, so that a test of a bound costs little.
BOUNDS = {
    "pool_size": 2, "pool_wait_s": 1.0, "statement_timeout_s": 0.4, "lock_timeout_s": 0.2,
    "idle_transaction_timeout_s": 0.5,
}  # fmt: skip


async def add(database: Database, name: str) -> None:
    """One product in one transaction."""
    async with database.begin() as tx:
        await tx.execute(PRODUCT, id=name)


async def has(connection: asyncpg.Connection, name: str) -> bool:
    """Whether the product is there, seen from outside."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM orders.products WHERE product_id = $1", name
    )
    return found == 1
