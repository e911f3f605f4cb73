"""What was proven before: kept in one row, so that the next proof reads only what changed since.

Every row that belongs to an order carries the transaction that wrote it last (`changed_in`). For a
snapshot, PostgreSQL knows the number below which every transaction has ended: a checkpoint is such
a number, not a time. docs/decisions/0017 gives the assumptions.
"""

import hashlib
from collections import Counter
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from proof import invariants
from proof.incremental import CHANGED_ORDERS, ChangedOrders, ReadScope, changed_orders, restrict

# The database did not answer. After any other error the proof goes on without a checkpoint.
_UNAVAILABLE = (asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError)
# Above this share of all orders, one read of everything is quicker than looking each order up. The
# limit lies between what is always quick and what one statement can find in its time.
_MAX_SHARE, _MIN_LIMIT, _MAX_LIMIT = 0.15, 2_000, 200_000

_SNAPSHOT = """\
SELECT pg_snapshot_xmin(pg_current_snapshot()) AS before,
       pg_snapshot_xmax(pg_current_snapshot()) AS until"""
# A checkpoint is valid on this server, under these transitions, while every trigger that marks
# changes is enabled.
_RULES = """\
SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
         (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM orders.transitions t),
         (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM payments.transitions t)) AS rules,
       (SELECT count(*) FROM pg_trigger
        WHERE tgname IN ('mark_change', 'note_truncation') AND tgenabled = 'A') = 17 AS marked"""
_FIND = """\
SELECT before, at, orders, sold, unsettled FROM proof.checkpoint WHERE promises = $1"""
_REMOVED = """\
SELECT coalesce(bool_or(order_ref IS NULL), false) AS truncated,
       coalesce(bool_or(book = 'inventory.reservations'), false) AS sales_changed
FROM proof.removals WHERE changed_in >= $1 AND changed_in < $2"""
# The first row of an order's history carries the transaction that created the order.
_CREATED = """\
SELECT count(*) FROM orders.history WHERE version = 0 AND changed_in >= $1 AND changed_in < $2"""
_SOLD_SINCE = """\
SELECT product_id, sum(quantity)::bigint AS units FROM inventory.reservations
WHERE state = 'COMMITTED' AND changed_in >= $1 AND changed_in < $2 GROUP BY product_id"""
_SOLD_BEFORE = """\
SELECT product_id, sum(quantity)::bigint AS units FROM inventory.reservations
WHERE state = 'COMMITTED' AND changed_in < $1 AND product_id IS NOT NULL GROUP BY product_id"""
_OF_ANOTHER_SERVER = "SELECT EXISTS (SELECT FROM inventory.reservations WHERE changed_in >= $1)"
_CHANGED = """\
SELECT count(*) FROM (
  SELECT FROM orders.orders WHERE changed_in >= $1 AND changed_in < $2 LIMIT $3) o"""
_SAVE = """\
INSERT INTO proof.checkpoint AS c (promises, before, at, orders, sold, unsettled)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (promises) DO UPDATE
SET before = excluded.before, at = excluded.at, orders = excluded.orders, sold = excluded.sold,
    unsettled = excluded.unsettled
-- Never move back, unless the stored one is ahead of every transaction of this server.
WHERE c.before < excluded.before OR c.before > pg_snapshot_xmax(pg_current_snapshot())"""


class Checkpoint(msgspec.Struct, frozen=True):
    """Everything that transactions before `before` wrote keeps every promise, except in the
    `unsettled` orders.

    `orders` counts the orders proven, `sold` the units sold by then (None if that is not known
    exactly), `at` is the time of the proof.
    """

    before: int
    at: datetime
    orders: int
    sold: dict[str, int] | None
    unsettled: tuple[str, ...] = ()


class Increment(msgspec.Struct, frozen=True):
    """A checkpoint, and the orders that changed since. `sold` is None if the units sold must be
    counted from the first order."""

    checkpoint: Checkpoint
    changed: ChangedOrders
    sold: dict[str, int] | None

    def covers(self, reads: ReadScope) -> bool:
        """Whether a promise can be judged from what changed since the checkpoint."""
        return reads == "orders" or (reads == "sums" and self.sold is not None)

    def parameters(self, until: int) -> tuple[Any, ...]:
        """The parameters of `restrict`'s SQL, from $4 on."""
        changed = self.changed
        sold = msgspec.json.encode(self.sold).decode()
        return (changed.ids, changed.refs, changed.transfers, self.checkpoint.before, until, sold)


class Baseline(msgspec.Struct, frozen=True):
    """What a proof can build on: an `increment`, or nothing, and then `why` gives the reason.

    Transactions below `before` have ended; none from `until` on is visible. `orders` is how many
    orders there are to read. `promises` names the checkpoint; without a name none is saved.
    """

    before: int
    until: int
    orders: int = 0
    promises: str = ""
    increment: Increment | None = None
    why: str = ""


async def find_baseline(connection: asyncpg.Connection, *, whole: bool) -> Baseline:
    """What is proven already in this transaction's snapshot; `whole` asks not to build on it."""
    snapshot = await connection.fetchrow(_SNAPSHOT)
    baseline = Baseline(snapshot["before"], snapshot["until"])
    try:
        async with connection.transaction():
            baseline = await _find_baseline(connection, baseline, whole=whole)
    except _UNAVAILABLE:
        raise
    except asyncpg.PostgresError as error:
        why = f"no earlier proof can be read: {str(error).splitlines()[0]}"
        baseline = msgspec.structs.replace(baseline, why=why)
    if baseline.increment is not None:
        return baseline
    try:
        async with connection.transaction():
            orders = await connection.fetchval("SELECT count(*) FROM orders.orders")
    except asyncpg.UndefinedTableError:
        return baseline
    return msgspec.structs.replace(baseline, orders=orders)


async def _find_baseline(
    connection: asyncpg.Connection, empty: Baseline, *, whole: bool
) -> Baseline:
    rules = await connection.fetchrow(_RULES)
    if not rules["marked"]:
        return msgspec.structs.replace(empty, why="triggers that mark changes are missing or off")
    baseline = msgspec.structs.replace(empty, promises=fingerprint(rules["rules"]))
    if whole:
        return msgspec.structs.replace(baseline, why="as asked")
    found = await _find(connection, baseline.promises)
    if found is None:
        return msgspec.structs.replace(baseline, why="there is no earlier proof to build on")
    if found.before > baseline.before:
        why = "the earlier proof is ahead of this database"
        return msgspec.structs.replace(baseline, why=why)
    window = (found.before, baseline.until)
    removed = await connection.fetchrow(_REMOVED, *window)
    if removed["truncated"]:
        return msgspec.structs.replace(baseline, why="a table was truncated since the last proof")
    limit = max(_MIN_LIMIT, min(_MAX_LIMIT, int(_MAX_SHARE * found.orders)))
    refs = await _changed_in(connection, window, limit)
    if refs is None:
        why = f"more than {limit} orders changed since the last proof"
        return msgspec.structs.replace(baseline, why=why)
    changed = changed_orders({*refs, *found.unsettled})
    sold = None if removed["sales_changed"] else found.sold
    increment = Increment(found, changed, sold)
    return msgspec.structs.replace(baseline, increment=increment, orders=len(changed.refs))


async def _changed_in(
    connection: asyncpg.Connection, window: tuple[int, int], limit: int
) -> set[str] | None:
    """The orders of which a row was written in the window; None if there are more than `limit`."""
    if await connection.fetchval(_CHANGED, *window, limit + 1) > limit:
        return None
    rows = await connection.fetch(CHANGED_ORDERS, *window)
    # A key may own no order.
    refs = {row["ref"] for row in rows if row["ref"] is not None}
    return refs if len(refs) <= limit else None


async def _find(connection: asyncpg.Connection, promises: str) -> Checkpoint | None:
    row = await connection.fetchrow(_FIND, promises)
    if row is None:
        return None
    try:
        sold = row["sold"] and msgspec.json.decode(row["sold"], type=dict[str, int])
    except msgspec.ValidationError:
        return None  # not written by a proof
    return Checkpoint(row["before"], row["at"], row["orders"], sold, tuple(row["unsettled"]))


async def next_checkpoint(
    connection: asyncpg.Connection, baseline: Baseline, at: datetime, unsettled: tuple[str, ...]
) -> Checkpoint:
    """The checkpoint after this snapshot's proof: everything holds except the `unsettled`."""
    if baseline.increment is None:
        # Orders of transactions that may not have ended are counted by the next proof.
        created = await connection.fetchval(_CREATED, baseline.before, baseline.until)
        orders = baseline.orders - created
    else:
        last = baseline.increment.checkpoint
        orders = last.orders + await connection.fetchval(_CREATED, last.before, baseline.before)
    return Checkpoint(baseline.before, at, orders, await _sold(connection, baseline), unsettled)


async def _sold(connection: asyncpg.Connection, baseline: Baseline) -> dict[str, int] | None:
    last = baseline.increment
    if last is not None and last.sold is not None:
        window = (last.checkpoint.before, baseline.before)
        rows = await connection.fetch(_SOLD_SINCE, *window)
        return Counter(last.sold) + Counter({row["product_id"]: row["units"] for row in rows})
    # Marks of another server mean nothing until this server's transactions have passed them.
    if await connection.fetchval(_OF_ANOTHER_SERVER, baseline.until):
        return None
    rows = await connection.fetch(_SOLD_BEFORE, baseline.before)
    return {row["product_id"]: row["units"] for row in rows}


async def save(connection: asyncpg.Connection, promises: str, proven: Checkpoint) -> str:
    """Save the checkpoint unless a later one is stored; returns why it could not, or "".

    The only write of a proof, in a transaction of its own.
    """
    sold = None if proven.sold is None else msgspec.json.encode(proven.sold).decode()
    values = (proven.before, proven.at, proven.orders, sold, list(proven.unsettled))
    try:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION READ WRITE")
            await connection.execute(_SAVE, promises, *values)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        return str(error).splitlines()[0]
    return ""


def fingerprint(rules: str) -> str:
    """A name for what was proven: the SQL of every promise that can be limited to some orders."""
    parts = [rules, CHANGED_ORDERS]
    for each in invariants():
        if each.reads != "everything":
            parts += restrict(each.sql, each.reads)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
