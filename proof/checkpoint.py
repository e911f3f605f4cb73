"""What was proven before: kept in one row, so that the next proof looks only at what came since.

Every row of an order's books carries the transaction that wrote it last (`changed_in`). Of a
snapshot PostgreSQL can say below which number every transaction is over: that number, and no
clock, is where a checkpoint stands. docs/decisions/0017 says what it rests on.
"""

import hashlib
from collections import Counter
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from proof import invariants
from proof.incremental import CHANGED_ORDERS, ChangedOrders, ReadScope, changed_orders, restrict

# No answer at all; any other trouble is a reason to do without a checkpoint.
_AWAY = (asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError)
# Past this share of all orders it is quicker to read everything once than to look each up; and so
# many are what can be found within the time of one statement.
_SHARE, _FEW, _MANY = 0.15, 2_000, 200_000

_MOMENT = """\
SELECT pg_snapshot_xmin(pg_current_snapshot()) AS before,
       pg_snapshot_xmax(pg_current_snapshot()) AS until"""
# Promises were proven of this server's transactions, under these rules, with every mark being set.
_RULES = """\
SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
         (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM orders.transitions t),
         (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM payments.transitions t)) AS rules,
       (SELECT count(*) FROM pg_trigger
        WHERE tgname IN ('mark_change', 'note_truncation') AND tgenabled = 'A') = 17 AS watched"""
_FIND = """\
SELECT before, at, orders, sold, unsettled FROM proof.checkpoint WHERE promises = $1"""
_REMOVED = """\
SELECT coalesce(bool_or(order_ref IS NULL), false) AS emptied,
       coalesce(bool_or(book = 'inventory.reservations'), false) AS resold
FROM proof.removals WHERE changed_in >= $1 AND changed_in < $2"""
# The first line of an order's history carries the mark of the transaction that began the order.
_BEGUN = """\
SELECT count(*) FROM orders.history WHERE version = 0 AND changed_in >= $1 AND changed_in < $2"""
_SOLD_SINCE = """\
SELECT product_id, sum(quantity)::bigint AS units FROM inventory.reservations
WHERE state = 'COMMITTED' AND changed_in >= $1 AND changed_in < $2 GROUP BY product_id"""
_SOLD_BEFORE = """\
SELECT product_id, sum(quantity)::bigint AS units FROM inventory.reservations
WHERE state = 'COMMITTED' AND changed_in < $1 AND product_id IS NOT NULL GROUP BY product_id"""
_STRANGERS = "SELECT EXISTS (SELECT FROM inventory.reservations WHERE changed_in >= $1)"
_CHANGED = """\
SELECT count(*) FROM (
  SELECT FROM orders.orders WHERE changed_in >= $1 AND changed_in < $2 LIMIT $3) o"""
_KEEP = """\
INSERT INTO proof.checkpoint AS c (promises, before, at, orders, sold, unsettled)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (promises) DO UPDATE
SET before = excluded.before, at = excluded.at, orders = excluded.orders, sold = excluded.sold,
    unsettled = excluded.unsettled
-- Never back, unless it stands where no transaction has been yet: then it is not ours.
WHERE c.before < excluded.before OR c.before > pg_snapshot_xmax(pg_current_snapshot())"""


class Checkpoint(msgspec.Struct, frozen=True):
    """All that transactions before `before` wrote keeps every promise, but for `unsettled` orders.

    `orders` is how many that are, `sold` the units sold by then or None where that is not known
    exactly, `at` the moment of the proof.
    """

    before: int
    at: datetime
    orders: int
    sold: dict[str, int] | None
    unsettled: tuple[str, ...] = ()


class Increment(msgspec.Struct, frozen=True):
    """A checkpoint to build on, and the orders in question since. `sold` is None where that must
    be counted from the first order."""

    checkpoint: Checkpoint
    changed_orders: ChangedOrders
    sold: dict[str, int] | None

    def serves(self, reads: ReadScope) -> bool:
        """Whether a promise can be judged by what came since."""
        return reads == "orders" or (reads == "sums" and self.sold is not None)

    def parameters(self, until: int) -> tuple[Any, ...]:
        """What `narrowed` SQL asks for, from $4 on."""
        asked = self.question
        sold = msgspec.json.encode(self.sold).decode()
        return (asked.ids, asked.refs, asked.transfers, self.checkpoint.before, until, sold)


class Baseline(msgspec.Struct, frozen=True):
    """What a proof can build on: `since`, or nothing, and then `why` says the reason.

    Transactions below `before` are over, none from `until` on is seen. `orders` is how many there
    are to read. A proof may be kept under the name `promises`, unless it is empty.
    """

    before: int
    until: int
    orders: int = 0
    promises: str = ""
    since: Increment | None = None
    why: str = ""


async def find_baseline(connection: asyncpg.Connection, *, whole: bool) -> Baseline:
    """What is known already in this transaction's snapshot; `whole` asks not to build on it."""
    moment = await connection.fetchrow(_MOMENT)
    ground = Baseline(moment["before"], moment["until"])
    try:
        async with connection.transaction():
            ground = await _survey(connection, ground, whole=whole)
    except _AWAY:
        raise
    except asyncpg.PostgresError as error:
        why = f"no earlier proof can be seen: {str(error).splitlines()[0]}"
        ground = msgspec.structs.replace(ground, why=why)
    if ground.since is not None:
        return ground
    try:
        async with connection.transaction():
            orders = await connection.fetchval("SELECT count(*) FROM orders.orders")
    except asyncpg.UndefinedTableError:
        return ground
    return msgspec.structs.replace(ground, orders=orders)


async def _survey(connection: asyncpg.Connection, bare: Baseline, *, whole: bool) -> Baseline:
    rules = await connection.fetchrow(_RULES)
    if not rules["watched"]:
        return msgspec.structs.replace(bare, why="triggers that mark changes are missing or off")
    ground = msgspec.structs.replace(bare, promises=fingerprint(rules["rules"]))
    if whole:
        return msgspec.structs.replace(ground, why="as asked")
    found = await _find(connection, ground.promises)
    if found is None:
        return msgspec.structs.replace(ground, why="there is no earlier proof to build on")
    if found.before > ground.before:
        return msgspec.structs.replace(ground, why="the earlier proof is not of this past")
    window = (found.before, ground.until)
    removed = await connection.fetchrow(_REMOVED, *window)
    if removed["emptied"]:
        return msgspec.structs.replace(ground, why="a book was emptied since the last proof")
    most = max(_FEW, min(_MANY, int(_SHARE * found.orders)))
    refs = await _in_question(connection, window, most)
    if refs is None:
        why = f"more than {most} orders changed since the last proof"
        return msgspec.structs.replace(ground, why=why)
    asked = changed_orders({*refs, *found.unsettled})
    sold = None if removed["resold"] else found.sold
    since = Increment(found, asked, sold)
    return msgspec.structs.replace(ground, since=since, orders=len(asked.refs))


async def _in_question(
    connection: asyncpg.Connection, window: tuple[int, int], most: int
) -> set[str] | None:
    """The orders of which a row was written in the window; None when they are more than `most`."""
    if await connection.fetchval(_CHANGED, *window, most + 1) > most:
        return None
    rows = await connection.fetch(CHANGED_ORDERS, *window)
    # A key may own no order.
    refs = {row["ref"] for row in rows if row["ref"] is not None}
    return refs if len(refs) <= most else None


async def _find(connection: asyncpg.Connection, promises: str) -> Checkpoint | None:
    row = await connection.fetchrow(_FIND, promises)
    if row is None:
        return None
    try:
        sold = row["sold"] and msgspec.json.decode(row["sold"], type=dict[str, int])
    except msgspec.ValidationError:
        return None  # nobody's but a person's
    return Checkpoint(row["before"], row["at"], row["orders"], sold, tuple(row["unsettled"]))


async def next_checkpoint(
    connection: asyncpg.Connection, ground: Baseline, at: datetime, unsettled: tuple[str, ...]
) -> Checkpoint:
    """The checkpoint that this snapshot's proof amounts to, all being well but for `unsettled`."""
    if ground.since is None:
        # Begun by those that may not be over: they count from the next time on.
        begun = await connection.fetchval(_BEGUN, ground.before, ground.until)
        orders = ground.orders - begun
    else:
        last = ground.since.checkpoint
        orders = last.orders + await connection.fetchval(_BEGUN, last.before, ground.before)
    return Checkpoint(ground.before, at, orders, await _sold(connection, ground), unsettled)


async def _sold(connection: asyncpg.Connection, ground: Baseline) -> dict[str, int] | None:
    last = ground.since
    if last is not None and last.sold is not None:
        window = (last.checkpoint.before, ground.before)
        rows = await connection.fetch(_SOLD_SINCE, *window)
        return Counter(last.sold) + Counter({row["product_id"]: row["units"] for row in rows})
    # Marks of another server mean nothing here until our own have passed them.
    if await connection.fetchval(_STRANGERS, ground.until):
        return None
    rows = await connection.fetch(_SOLD_BEFORE, ground.before)
    return {row["product_id"]: row["units"] for row in rows}


async def save(connection: asyncpg.Connection, promises: str, proven: Checkpoint) -> str:
    """Write it down, never going back; answers why it could not, or nothing.

    The one thing a proof writes, in a transaction of its own.
    """
    sold = None if proven.sold is None else msgspec.json.encode(proven.sold).decode()
    values = (proven.before, proven.at, proven.orders, sold, list(proven.unsettled))
    try:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION READ WRITE")
            await connection.execute(_KEEP, promises, *values)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        return str(error).splitlines()[0]
    return ""


def fingerprint(rules: str) -> str:
    """A name for what was proven: every promise that is asked of some orders only, and how."""
    parts = [rules, CHANGED_ORDERS]
    for each in invariants():
        if each.reads != "everything":
            parts += restrict(each.sql, each.reads)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
