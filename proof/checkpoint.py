"""What was proven before: kept in one row, so that the next proof reads only what changed since.

Every row that belongs to an order carries the transaction that wrote it last (`changed_in`). For a
snapshot, PostgreSQL knows the number below which every transaction has ended: a checkpoint is such
a number, not a time. docs/decisions/0017 gives the assumptions.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from proof import invariants
from proof.chain import Heads
from proof.incremental import (
    CHANGED_ORDERS,
    PRICED_ORDERS,
    ChangedOrders,
    ReadScope,
    changed_orders,
    restrict,
    rows_given,
)
from proof.sealed_tables import WATCHED

# The database did not answer. After any other error the proof goes on without a checkpoint.
_UNAVAILABLE = (asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError)
# Above this share of all orders, one read of everything is quicker than looking each order up. The
# limit lies between what is always quick and what one statement can find in its time.
_MAX_SHARE, _MIN_LIMIT, _MAX_LIMIT = 0.15, 2_000, 200_000

_SNAPSHOT = """\
SELECT pg_snapshot_xmin(pg_current_snapshot()) AS before,
       pg_snapshot_xmax(pg_current_snapshot()) AS until,
       (SELECT system_identifier::text FROM pg_control_system()) AS server"""

# A checkpoint is valid on this server, under these transitions, and as long as nobody touched the
# tables' definitions: a trigger that was off for a moment, or a table that was rewritten, has
# another row in the catalogue since.
_RULES = f"""\
WITH ours AS (
  SELECT c.oid, c.relfilenode FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r'
    AND n.nspname IN ('orders', 'inventory', 'payments', 'gateway', 'proof'))
SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()),
         (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM orders.transitions t),
         (SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM payments.transitions t),
         (SELECT md5(string_agg(concat_ws(' ', t.oid, t.xmin, t.tgenabled), ',' ORDER BY t.oid))
          FROM pg_trigger t JOIN ours b ON b.oid = t.tgrelid),
         (SELECT md5(string_agg(concat_ws(' ', p.oid, p.xmin), ',' ORDER BY p.oid))
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname IN ('orders', 'inventory', 'payments', 'proof')),
         (SELECT md5(string_agg(concat_ws(' ', b.oid, b.relfilenode), ',' ORDER BY b.oid))
          FROM ours b)) AS rules,
       (SELECT coalesce(bool_and(watched), false) FROM ({WATCHED}) w) AS marked"""  # noqa: S608 - constants
_OTHERS = """
SELECT (SELECT count(*) FROM payments.payments WHERE order_id IS NULL
         AND amount_minor IS NOT NULL) AS payments,
       (SELECT count(*) FROM wallets.wallet_balances) AS wallets"""
# How many orders there ought to be: as many as were proven, less those whose removal is noted.
_EXPECTED = """\
SELECT greatest($1, (SELECT coalesce(max(orders), 0) FROM proof.checkpoint))
       - (SELECT count(*) FROM proof.removals WHERE book = 'orders.orders')"""
_FIND = """\
SELECT before, at, orders, moved, unsettled, digest FROM proof.checkpoint WHERE promises = $1"""
_REMOVED = """\
SELECT coalesce(bool_or(order_ref IS NULL), false) AS truncated,
       coalesce(bool_or(book = 'inventory.stock_moves'), false) AS moves_changed
FROM proof.removals WHERE changed_in >= $1 AND changed_in < $2"""
# The first row of an order's history carries the transaction that created the order.
_CREATED = """\
SELECT count(*) FROM orders.history WHERE version = 0 AND changed_in >= $1 AND changed_in < $2"""
_MOVED_SINCE = """\
SELECT product_id, kind, sum(quantity)::bigint AS units FROM inventory.stock_moves
WHERE changed_in >= $1 AND changed_in < $2 GROUP BY product_id, kind"""
_OF_ANOTHER_SERVER = "SELECT EXISTS (SELECT FROM inventory.stock_moves WHERE changed_in >= $1)"
_CHANGED = """\
SELECT count(*) FROM (
  SELECT FROM orders.orders WHERE changed_in >= $1 AND changed_in < $2 LIMIT $3) o"""
_PRICES_CHANGED = """\
SELECT EXISTS (SELECT FROM orders.prices WHERE changed_in >= $1 AND changed_in < $2)"""
_SAVE = """\
INSERT INTO proof.checkpoint AS c (promises, before, at, orders, moved, unsettled, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (promises) DO UPDATE
SET before = excluded.before, at = excluded.at, orders = excluded.orders, moved = excluded.moved,
    unsettled = excluded.unsettled, digest = excluded.digest
-- Never move back, unless the stored one is ahead of every transaction of this server.
WHERE c.before < excluded.before OR c.before > pg_snapshot_xmax(pg_current_snapshot())"""


# Units by product and kind of move.
Moved = dict[tuple[str, str], int]


class Checkpoint(msgspec.Struct, frozen=True):
    """Everything that transactions before `before` wrote keeps every promise, except in the
    `unsettled` orders.

    `orders` counts the orders proven, `moved` the units of each product that had moved by then, by
    kind (None if that is not known exactly), `at` is the time of the proof.
    """

    before: int
    at: datetime
    orders: int
    moved: Moved | None
    unsettled: tuple[str, ...] = ()

    def digest(self, promises: str) -> str:
        """What this says, in 64 characters; a copy of them is kept outside the database."""
        at = self.at.astimezone(UTC).isoformat()
        moved = None if self.moved is None else sorted(self.moved.items())
        content = (promises, self.before, at, self.orders, moved, self.unsettled)
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


NOTHING_KNOWN = Heads()
# A proof keeps its checkpoint in two places, within milliseconds.
_ALSO_AFTER_S = (0.001, 0.02, 0.1)


class Increment(msgspec.Struct, frozen=True):
    """A checkpoint, and the orders that changed since. `moved` is None if the moves must be counted
    from the first one. `links` of the chain are computed again: none by a proof, which compares the
    newest with the head outside and leaves the rest to the scrubber."""

    checkpoint: Checkpoint
    changed: ChangedOrders
    moved: Moved | None
    links: tuple[int, ...] = ()

    def covers(self, reads: ReadScope) -> bool:
        """Whether a promise can be judged from what changed since the checkpoint."""
        return reads == "orders" or reads == "chain" or (reads == "sums" and self.moved is not None)

    def parameters(self, until: int, used: frozenset[int]) -> tuple[Any, ...]:
        """The parameters of `rows_given`, from $4 on. A list that the SQL does not use is
        empty: to send all four to each promise takes longer than most promises."""
        changed = self.changed
        lists = (
            changed.order_ids, changed.payment_ids, changed.order_refs, changed.payment_refs
        )  # fmt: skip
        sent = (each if number in used else () for number, each in enumerate(lists, 4))
        window = (self.checkpoint.before, until)
        return (*sent, *window, _encode(self.moved or {}), self.links)


class Baseline(msgspec.Struct, frozen=True):
    """What a proof can build on: an `increment`, or nothing, and then `why` gives the reason.

    Transactions below `before` have ended; none from `until` on is visible. `orders` is how many
    orders there are to read, of `in_all` that there are; `payments` (those without an order) and
    `wallets` are counted where all are read, and so is `ended`, the orders of transactions below
    `before`. `promises` names the checkpoint; without a name none
    is saved.
    """

    before: int
    until: int
    server: str
    orders: int = 0
    in_all: int = 0
    ended: int = 0
    payments: int = 0
    wallets: int = 0
    missing: int = 0
    promises: str = ""
    increment: Increment | None = None
    why: str = ""


async def find_baseline(
    connection: asyncpg.Connection,
    *,
    whole: bool,
    heads: Heads = NOTHING_KNOWN,
    read_again: Callable[[], Heads] | None = None,
) -> Baseline:
    """What is proven already in this transaction's snapshot; `whole` asks not to build on it, and
    `heads` are what is kept outside the database: `read_again` reads them now."""
    snapshot = await connection.fetchrow(_SNAPSHOT)
    baseline = Baseline(snapshot["before"], snapshot["until"], snapshot["server"])
    try:
        async with connection.transaction():
            baseline = await _find_baseline(connection, baseline, whole, heads, read_again)
    except _UNAVAILABLE:
        raise
    except asyncpg.PostgresError as error:
        why = f"no earlier proof can be read: {str(error).splitlines()[0]}"
        baseline = msgspec.structs.replace(baseline, why=why)
    if baseline.increment is not None:
        return baseline
    expected = known = heads.of(baseline.server).orders
    ended = 0
    try:
        async with connection.transaction():
            orders = await connection.fetchval("SELECT count(*) FROM orders.orders")
        async with connection.transaction():
            # Orders of transactions that may not have ended are counted by the next proof.
            created = await connection.fetchval(_CREATED, baseline.before, baseline.until)
            ended = orders - created
        async with connection.transaction():
            expected = await connection.fetchval(_EXPECTED, known)
    except asyncpg.UndefinedTableError:
        return baseline
    except asyncpg.PostgresError:
        pass  # a role that may not read checkpoints
    missing = max(0, expected - orders)
    counted = {"orders": orders, "in_all": orders, "ended": ended, "missing": missing}
    baseline = msgspec.structs.replace(baseline, **counted)
    try:
        async with connection.transaction():
            others = await connection.fetchrow(_OTHERS)
    except asyncpg.PostgresError:
        return baseline  # of a version without wallets, which the promises themselves will say
    return msgspec.structs.replace(baseline, **others)


async def _find_baseline(
    connection: asyncpg.Connection,
    empty: Baseline,
    whole: bool,
    heads: Heads,
    read_again: Callable[[], Heads] | None,
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
    digest = found.digest(baseline.promises)
    if not await _is_kept_outside(digest, empty.server, heads, read_again):
        why = "the earlier proof differs from its copy outside the database, as after a kill"
        return msgspec.structs.replace(baseline, why=why)
    if found.before > baseline.before:
        why = "the earlier proof is ahead of this database"
        return msgspec.structs.replace(baseline, why=why)
    window = (found.before, baseline.until)
    removed = await connection.fetchrow(_REMOVED, *window)
    if removed["truncated"]:
        return msgspec.structs.replace(baseline, why="a table was truncated since the last proof")
    limit = max(_MIN_LIMIT, min(_MAX_LIMIT, int(_MAX_SHARE * found.orders)))
    changed = await _changed_in(connection, window, found.unsettled, limit)
    if changed is None:
        why = f"more than {limit} orders changed since the last proof"
        return msgspec.structs.replace(baseline, why=why)
    moved = None if removed["moves_changed"] else found.moved
    # An order that was proven may have changed since, so those that changed are not all new.
    created = await connection.fetchval(_CREATED, *window) if changed.orders else 0
    return msgspec.structs.replace(
        baseline, increment=Increment(found, changed, moved), orders=changed.orders,
        in_all=found.orders + created,
    )  # fmt: skip


async def _is_kept_outside(
    digest: str, server: str, heads: Heads, read_again: Callable[[], Heads] | None
) -> bool:
    """Whether nothing else is. Somebody may have proven meanwhile: then the database has it first,
    and the file a moment later."""
    for wait_s in (0.0, *_ALSO_AFTER_S) if read_again else (0.0,):
        if wait_s and read_again:
            await asyncio.sleep(wait_s)
            heads = read_again()
        if heads.of(server).checkpoint in ("", digest):
            return True
    return False


async def _changed_in(
    connection: asyncpg.Connection,
    window: tuple[int, int],
    unsettled: tuple[str, ...],
    limit: int,
) -> ChangedOrders | None:
    """The unsettled orders, those of which a row was written in the window, and those that a price
    written in it concerns; None if there are more than `limit`."""
    if await connection.fetchval(_CHANGED, *window, limit + 1) > limit:
        return None
    named = list(unsettled)
    if await connection.fetchval(_PRICES_CHANGED, *window):
        named += [row["id"] for row in await connection.fetch(PRICED_ORDERS, *window, limit + 1)]
    if len(named) > limit + len(unsettled):
        return None
    changed = changed_orders(await connection.fetch(CHANGED_ORDERS, *window, named))
    return changed if changed.orders <= limit else None


async def _find(connection: asyncpg.Connection, promises: str) -> Checkpoint | None:
    row = await connection.fetchrow(_FIND, promises)
    if row is None:
        return None
    try:
        moved = None if row["moved"] is None else _decode(row["moved"])
    except msgspec.ValidationError:
        return None  # not written by a proof
    kept = (row["before"], row["at"], row["orders"], moved, tuple(row["unsettled"]))
    found = Checkpoint(*kept)
    # One that somebody changed in its place was not written by a proof either.
    return found if found.digest(promises) == row["digest"] else None


async def next_checkpoint(
    connection: asyncpg.Connection, baseline: Baseline, at: datetime, unsettled: tuple[str, ...]
) -> Checkpoint:
    """The checkpoint after a proof that began with this baseline: all of it holds except the
    `unsettled`."""
    if baseline.increment is None:
        orders = baseline.ended
    else:
        last = baseline.increment.checkpoint
        orders = last.orders + await connection.fetchval(_CREATED, last.before, baseline.before)
    return Checkpoint(baseline.before, at, orders, await _moved(connection, baseline), unsettled)


async def _moved(connection: asyncpg.Connection, baseline: Baseline) -> Moved | None:
    last = baseline.increment
    if last is not None and last.moved is not None:
        before, since = Counter(last.moved), last.checkpoint.before
    elif await connection.fetchval(_OF_ANOTHER_SERVER, baseline.until):
        # Marks of another server mean nothing until this server's transactions have passed them.
        return None
    else:
        before, since = Counter(), 0
    rows = await connection.fetch(_MOVED_SINCE, since, baseline.before)
    return before + Counter({(row["product_id"], row["kind"]): row["units"] for row in rows})


def _encode(moved: Moved) -> str:
    return msgspec.json.encode([(*key, units) for key, units in moved.items()]).decode()


def _decode(text: str) -> Moved:
    rows = msgspec.json.decode(text, type=list[tuple[str, str, int]])
    return {(product, kind): units for product, kind, units in rows}


async def save(connection: asyncpg.Connection, promises: str, proven: Checkpoint) -> str:
    """Save the checkpoint unless a later one is stored; returns why it could not, or "".

    The only write of a proof, in a transaction of its own.
    """
    moved = None if proven.moved is None else _encode(proven.moved)
    values = (proven.before, proven.at, proven.orders, moved, list(proven.unsettled))
    digest = proven.digest(promises)
    try:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION READ WRITE")
            await connection.execute(_SAVE, promises, *values, digest)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        return str(error).splitlines()[0]
    return ""


async def withdraw(connection: asyncpg.Connection, promises: str) -> None:
    """Forget the checkpoint: what it says was found not to hold, so the next proof reads all."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION READ WRITE")
        await connection.execute("DELETE FROM proof.checkpoint WHERE promises = $1", promises)


def fingerprint(rules: str) -> str:
    """A name for what was proven: the SQL of every promise that can be limited to some orders."""
    parts = [rules, CHANGED_ORDERS, PRICED_ORDERS]
    for each in invariants():
        if each.reads != "everything":
            limited = restrict(each.sql, each.reads)
            parts += (rows_given(limited.tables, each.reads).clause, limited.sql)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
