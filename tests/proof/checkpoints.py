"""What somebody with the run of the database does to the proof's own records."""

from datetime import UTC, datetime

import asyncpg
import msgspec

from proof import Limits
from proof.chain import NO_HEADS, HeadFile, seal
from proof.checkpoint import Checkpoint, find_baseline, next_checkpoint, save
from proof.scrubber import Scrubber


async def checkpoints(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """What is kept of earlier proofs."""
    return list(await connection.fetch("SELECT * FROM proof.checkpoint ORDER BY promises"))


async def push_ahead(connection: asyncpg.Connection, *, before: int = 0) -> Checkpoint:
    """A checkpoint that says that everything up to now was proven, correct in every other way."""
    async with connection.transaction(isolation="repeatable_read"):
        baseline = await find_baseline(connection, whole=True)
        proven = await next_checkpoint(connection, baseline, datetime.now(UTC), ())
    if before:
        proven = msgspec.structs.replace(proven, before=before)
    await connection.execute("DELETE FROM proof.checkpoint")
    assert await save(connection, baseline.promises, proven) == ""
    return proven


async def scrub_all(
    connection: asyncpg.Connection, limits: Limits | None = None, heads: HeadFile = NO_HEADS
) -> None:
    """Read all of history again, once."""
    scrubber = Scrubber(limits or Limits())
    while not (await scrubber.turn(connection, heads)).last:
        pass


async def seal_all(connection: asyncpg.Connection) -> None:
    """Seal every line that there is. Other databases of the server may hold it back a moment."""
    newest = "SELECT max(changed_in::text::bigint) FROM orders.history"
    sealed = "SELECT coalesce(max(before::text::bigint), 0) FROM proof.chain"
    while await connection.fetchval(sealed) <= (await connection.fetchval(newest) or 0):
        await seal(connection)


# Every trigger off, an order out of every table, and every trigger as it was before.
_ERASE = """\
DO $$
DECLARE
  ours record;
  kept record;
  payment uuid;
BEGIN
  CREATE TEMP TABLE always_on ON COMMIT DROP AS
    SELECT tgrelid::regclass AS place, tgname FROM pg_trigger WHERE tgenabled = 'A';
  FOR ours IN SELECT c.oid::regclass AS place FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace IN ('orders'::regnamespace, 'inventory'::regnamespace,
      'payments'::regnamespace, 'gateway'::regnamespace, 'proof'::regnamespace)
  LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', ours.place); END LOOP;

  UPDATE inventory.stock SET total = total - 1, sold = sold - 1 WHERE product_id = 'PROD-003';
  DELETE FROM inventory.stock_moves WHERE cause = '{order}' OR cause = (
    SELECT cause FROM inventory.stock_moves WHERE kind = 'delivered' AND product_id = 'PROD-003'
    AND quantity = 1 ORDER BY at DESC LIMIT 1);
  DELETE FROM inventory.reservations WHERE order_id = '{order}';
  SELECT payment_id INTO payment FROM orders.orders WHERE id = '{order}';
  DELETE FROM payments.ledger WHERE payment_id = payment;
  DELETE FROM payments.attempt_history WHERE payment_id = payment;
  DELETE FROM payments.decisions WHERE payment_id = payment;
  DELETE FROM payments.attempts WHERE payment_id = payment;
  DELETE FROM payments.legs WHERE payment_id = payment;
  DELETE FROM payments.payments WHERE payment_id = payment;
  DELETE FROM gateway.charges WHERE payment_ref = payment::text;
  DELETE FROM orders.idempotency WHERE order_id = '{order}';
  DELETE FROM orders.history WHERE order_id = '{order}';
  DELETE FROM orders.outbox WHERE aggregate_id = '{order}';
  DELETE FROM inventory.outbox WHERE aggregate_id = '{order}';
  DELETE FROM payments.outbox WHERE aggregate_id = payment::text;
  DELETE FROM orders.orders WHERE id = '{order}';

  FOR ours IN SELECT DISTINCT tgrelid::regclass AS place FROM pg_trigger WHERE tgenabled = 'D'
  LOOP EXECUTE format('ALTER TABLE %s ENABLE TRIGGER ALL', ours.place); END LOOP;
  FOR kept IN SELECT * FROM always_on
  LOOP EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', kept.place, kept.tgname); END LOOP;
END $$"""


async def erase(connection: asyncpg.Connection, order: object) -> None:
    """Take a confirmed order of one unit of PROD-003 out of every table, unnoted."""
    await connection.execute(_ERASE.replace("{order}", str(order)))
