"""A disk without room: PostgreSQL says of some rows what it says when a file cannot grow."""

from collections.abc import AsyncIterator, Iterable
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
  IF random() < {share} THEN
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
    tables: Iterable[str] = TABLES,
    *,
    share: float = 1.0,
    when: str = "INSERT",
) -> AsyncIterator[None]:
    """While the block runs, this share of the rows of these tables finds no room. The triggers
    stay and do nothing then: to drop them would wait for whoever is at work."""
    for statement in (_NO_ROOM.format(share=share), *(_ON.format(when, each) for each in tables)):
        await connection.execute(statement)
    try:
        yield
    finally:
        await connection.execute(_NO_ROOM.format(share=0.0))
