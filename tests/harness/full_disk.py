"""A disk without room: PostgreSQL says of some rows what it says when a file cannot grow."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

# Every table that an order is written to.
TABLES = (
    "orders.orders",
    "orders.history",
    "orders.idempotency",
    "inventory.reservations",
    "inventory.stock_moves",
    "payments.payments",
    "payments.attempts",
    "payments.ledger",
    "gateway.charges",
)
_NO_ROOM = """
CREATE OR REPLACE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME = ANY ('{{{tables}}}') AND random() < {share} THEN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
  END IF;
  RETURN NEW;
END $$;"""
_ON = (
    "CREATE OR REPLACE TRIGGER no_room BEFORE {} ON {}"
    " FOR EACH ROW EXECUTE FUNCTION public.no_room();"
)


@asynccontextmanager
async def full_disk(
    connection: asyncpg.Connection,
    tables: Sequence[str] = TABLES,
    *,
    share: float = 1.0,
    when: str = "INSERT",
) -> AsyncIterator[None]:
    """While the block runs, this share of the rows of these tables finds no room. The triggers do
    nothing then and are dropped, one by one: each waits for whoever is at work in its table."""
    await connection.execute(_NO_ROOM.format(tables=",".join(tables), share=share))
    for each in tables:
        await connection.execute(_ON.format(when, each))
    try:
        yield
    finally:
        await connection.execute(_NO_ROOM.format(tables="", share=0.0))
        for each in tables:
            await connection.execute(f"DROP TRIGGER no_room ON {each}")
