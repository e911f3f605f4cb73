"""Reads all of history again and again, a slice at a time: what was proven once must still hold.

A proof that builds on the last one looks only at what is marked as changed. This looks at the rest:
at rows that were changed without a mark, or written with an old one, and at the links of the chain.
Whatever it finds withdraws the checkpoint, so that the next proof reads everything and shows it.
"""

import contextlib
import time
from datetime import UTC, datetime

import asyncpg
import msgspec

from proof import invariants
from proof.chain import NO_HEADS, HeadFile
from proof.checkpoint import Baseline, Checkpoint, Increment, find_baseline, withdraw
from proof.evaluate import DEFAULT_TIMEOUTS
from proof.finding import Finding
from proof.incremental import CHANGED_ORDERS, changed_orders
from proof.invariant import Limits
from proof.judging import judge_one, plans_for, prepare_to_judge, set_plans, show_outside
from proof.quiescence import Quiescence, find_quiescence

# Orders in a slice: few enough for a turn of a fraction of a second.
SLICE = 500

_END_OF_SLICE = """\
SELECT changed_in FROM orders.orders WHERE changed_in > $1 AND changed_in < $2
ORDER BY changed_in OFFSET $3 LIMIT 1"""
_LINKS_OF_SLICE = """\
SELECT n FROM proof.chain WHERE before > $1 AND before <= $2 ORDER BY n"""
# The number above all transactions of this server: a mark beyond it came with a dump, or is forged.
_END = 2**64 - 1


class Slice(msgspec.Struct, frozen=True):
    """What one turn read: `orders` of them, from one transaction up to another, and what was found
    not to hold. `last` is the end of a round."""

    since: int
    before: int
    orders: int
    broken: tuple[Finding, ...]
    last: bool
    took_s: float


class Scrubber:
    """Where the present round is. A new one begins anew with each process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._since = 0

    async def turn(self, connection: asyncpg.Connection, heads: HeadFile = NO_HEADS) -> Slice:
        """Read the next slice. Raises what the database raises; the slice is then read again."""
        started = time.perf_counter()
        known = heads.read()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            quiescence = await find_quiescence(connection, self._limits)
            present = await find_baseline(connection, whole=True)
            await show_outside(connection, known.of(present.server))
            before = await connection.fetchval(_END_OF_SLICE, self._since, present.before, SLICE)
            last, before = before is None, before or _END
            baseline = await self._slice(connection, present, before)
            await set_plans(connection, DEFAULT_TIMEOUTS.full_s, plans_for(baseline.orders))
            broken = await self._judge(connection, quiescence, baseline, last=last)
        if broken and present.promises:
            # A role that may only read leaves the checkpoint to those that may write.
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await withdraw(connection, present.promises)
        found = Slice(
            self._since, before, baseline.orders, broken, last, time.perf_counter() - started
        )
        self._since = 0 if last else before
        return found

    async def _slice(
        self, connection: asyncpg.Connection, present: Baseline, before: int
    ) -> Baseline:
        changed = changed_orders(await connection.fetch(CHANGED_ORDERS, self._since, before, ()))
        links = await connection.fetch(_LINKS_OF_SLICE, self._since, before)
        # As if all before the slice had been proven: then a proof reads the slice.
        proven = Checkpoint(self._since, datetime.now(UTC), 0, None)
        increment = Increment(proven, changed, None, tuple(row["n"] for row in links))
        return msgspec.structs.replace(
            present, until=before, orders=changed.orders, increment=increment
        )

    async def _judge(
        self,
        connection: asyncpg.Connection,
        quiescence: Quiescence,
        baseline: Baseline,
        *,
        last: bool,
    ) -> tuple[Finding, ...]:
        """Sums need every row, so they are counted anew at the end of a round; what every proof
        reads as a whole needs no second look."""
        broken = []
        await prepare_to_judge(connection)
        for each in invariants(self._limits):
            if each.reads == "everything" or (each.reads == "sums" and not last):
                continue
            finding, _ = await judge_one(connection, each, quiescence, baseline)
            if finding.state == "violated":
                broken.append(finding)
        return tuple(broken)
