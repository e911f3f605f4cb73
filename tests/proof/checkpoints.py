"""What somebody with the run of the database does to the proof's own records."""

from datetime import UTC, datetime

import asyncpg
import msgspec

from proof import Limits
from proof.chain import HeadFile, seal
from proof.checkpoint import NO_HEADS, Checkpoint, find_baseline, next_checkpoint, save
from proof.scrubber import Scrubber


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
