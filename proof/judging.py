"""Judges promises in the database: by one statement for many, or by one for each."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import asyncpg
import msgspec

from proof.chain import Head
from proof.checkpoint import Baseline
from proof.finding import Finding, State
from proof.guards import MADE
from proof.invariant import Invariant
from proof.quiescence import Quiescence
from proof.statements import (
    NOTHING_CHANGED,
    ROWS_SHOWN,
    can_be_together,
    query,
    query_of_many,
)

# With few orders, each table of a promise is read once and compared row by row with others; that
# grows with the square of the orders, so more than these are planned for as many as they are.
_FEW = 300
# How PostgreSQL plans: `plan_cache_mode`, the parallel workers of a statement, and whether it is
# compiled.
Plans = tuple[str, str, str]
OF_FEW, OF_MANY = ("force_generic_plan", "0", "off"), ("force_custom_plan", "0", "off")
OF_ALL = ("auto", "DEFAULT", "DEFAULT")
# One for all promises: a statement that succeeds only reads, so there is nothing to undo.
_SET_SAVEPOINT, _BACK_TO_SAVEPOINT = "SAVEPOINT promises", "ROLLBACK TO SAVEPOINT promises"
# A finding, and the orders that have still to settle.
Judged = tuple[Finding, set[str]]


class ProofStep(msgspec.Struct, frozen=True):
    """The promises that one statement judges now, over how many orders, and the time it may
    take."""

    promises: tuple[Invariant, ...]
    orders: int
    allowed_s: float


class Case(msgspec.Struct, frozen=True):
    """What the promises of one proof are judged by; each statement may take `allowed_s`."""

    quiescence: Quiescence
    baseline: Baseline
    head: Head
    allowed_s: float
    plans: Plans


class _Round(msgspec.Struct):
    """The case, the promises that are still `waiting` for a statement of their own, and what was
    found of the others."""

    case: Case
    waiting: deque[Invariant]
    found: dict[str, Judged] = {}


class Judge:
    """Judges all promises of a proof, on its `connection` and on those `beside` it at once."""

    def __init__(
        self,
        promises: Sequence[Invariant],
        connection: asyncpg.Connection,
        beside: Sequence[asyncpg.Connection],
        on_step: Callable[[ProofStep], None] | None,
    ) -> None:
        self._promises, self._on_step = promises, on_step
        self._connection, self._beside = connection, beside
        together = tuple(filter(can_be_together, promises))
        among = 1 + len(beside)
        # What each connection judges by one statement, where few orders changed.
        self._shares = [together[n::among] for n in range(among)]
        self._planning: list[asyncio.Task[None]] = []

    def plan_ahead(self, allowed_s: float) -> None:
        """Let the connections beside have their statements planned, which takes most of the time
        that a new one needs for them, while the first still looks for what changed."""
        self._planning = [
            asyncio.ensure_future(_planned(*each, allowed_s))
            for each in zip(self._beside, self._shares[1:], strict=True)
        ]

    async def judge(self, case: Case) -> list[Judged]:
        """What is found of each promise, in their order. The connection is in its transaction;
        those beside it see the same, where that is a snapshot."""
        is_few = case.plans == OF_FEW
        alone = (each for each in self._promises if not is_few or not can_be_together(each))
        shares = self._shares if is_few else [()] * len(self._shares)
        now, name = _Round(case, deque(alone)), ""
        if self._beside and case.baseline.increment is not None:
            name = await self._connection.fetchval("SELECT pg_export_snapshot()")
        first = self._judge_some(self._connection, shares[0], now)
        others = [
            self._judge_beside(*each, now, snapshot=name)
            for each in zip(self._beside, shares[1:], strict=True)
        ]
        await _all_of([first, *others])
        return [now.found[each.id] for each in self._promises]

    async def stop(self) -> None:
        """Nothing is planned any more."""
        for task in self._planning:
            task.cancel()
        await asyncio.gather(*self._planning, return_exceptions=True)

    async def _judge_beside(
        self, one: asyncpg.Connection, share: Sequence[Invariant], now: _Round, *, snapshot: str
    ) -> None:
        # What fails to be planned fails again where it is asked.
        await asyncio.gather(*self._planning, return_exceptions=True)
        isolation = "repeatable_read" if snapshot else "read_committed"
        async with one.transaction(isolation=isolation, readonly=True):
            if snapshot:
                await one.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            await self._judge_some(one, share, now)

    async def _judge_some(
        self, one: asyncpg.Connection, share: Sequence[Invariant], now: _Round
    ) -> None:
        """Those of the share, by one statement, and then of those that wait."""
        case, baseline = now.case, now.case.baseline
        await show_outside(one, case.head, missing=baseline.missing)
        await set_plans(one, case.allowed_s, case.plans)
        await prepare_to_judge(one)
        if share:
            self._note(share, case)
            finders = await judge_together(one, share, case.quiescence, baseline)
            now.waiting.extend(each for each in share if each.id in finders)
            held = (each for each in share if each.id not in finders)
            now.found.update((each.id, (Finding(each, "holds"), set())) for each in held)
        while now.waiting:
            each = now.waiting.popleft()
            self._note([each], case)
            now.found[each.id] = await judge_one(one, each, case.quiescence, baseline)

    def _note(self, these: Sequence[Invariant], case: Case) -> None:
        if self._on_step is not None:
            self._on_step(ProofStep(tuple(these), case.baseline.orders, case.allowed_s))


async def _planned(one: asyncpg.Connection, share: Sequence[Invariant], allowed_s: float) -> None:
    async with one.transaction(readonly=True):
        await set_plans(one, allowed_s, OF_FEW)
        sql, values = query_of_many(share, *NOTHING_CHANGED)
        await one.cursor(sql, *values)


async def _all_of(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def show_outside(connection: asyncpg.Connection, head: Head, *, missing: int = 0) -> None:
    """Let the SQL of the promises see what is known outside the database: the head of the chain,
    how many orders are missing, and the guards that the migrations make."""
    await connection.execute(
        "SELECT set_config('valerix.chain_head', $1, true),"
        " set_config('valerix.orders_missing', $2, true),"
        " set_config('valerix.guards', $3, true)",
        f"{head.n} {head.digest}" if head.n else "",
        str(missing) if missing else "",
        MADE,
    )


def plans_for(orders: int) -> Plans:
    """For statements that read so many orders."""
    return OF_FEW if orders <= _FEW else OF_MANY


async def set_plans(connection: asyncpg.Connection, statement_s: float, plans: Plans) -> None:
    """Set the seconds for each statement, and how it is planned: one that reads few orders once for
    all, as long as this connection lasts; one that reads many by how many they are. Both without
    parallel workers and without compiling, which take longer than the statement takes."""
    mode, workers, compiled = plans
    await connection.execute(
        f"SET LOCAL statement_timeout = {int(statement_s * 1000)};"
        f"SET LOCAL plan_cache_mode = {mode};"
        f"SET LOCAL max_parallel_workers_per_gather = {workers};"
        f"SET LOCAL jit = {compiled}"
    )


async def prepare_to_judge(connection: asyncpg.Connection) -> None:
    """Set the savepoint of `judge_one`, once in the transaction."""
    await connection.execute(_SET_SAVEPOINT)


async def judge_together(
    connection: asyncpg.Connection,
    promises: Sequence[Invariant],
    quiescence: Quiescence,
    baseline: Baseline,
) -> set[str]:
    """The promises that find a row, by their ids; all of them where one cannot be judged, which
    a statement of its own will say."""
    sql, values = query_of_many(promises, quiescence, baseline)
    try:
        return {row["id"] for row in await connection.fetch(sql, *values)}
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError:
        await connection.execute(_BACK_TO_SAVEPOINT)
        return {each.id for each in promises}


async def judge_one(
    connection: asyncpg.Connection, invariant: Invariant, quiescence: Quiescence, baseline: Baseline
) -> tuple[Finding, set[str]]:
    """The finding, and the orders that are still unsettled.

    After a failure the transaction goes back to the savepoint of `prepare_to_judge`, so that the
    other promises can be judged."""
    started = time.perf_counter()
    sql, values = query(invariant, quiescence, baseline)
    try:
        found = await connection.fetch(sql, *values)
    except asyncpg.QueryCanceledError:
        await connection.execute(_BACK_TO_SAVEPOINT)
        reason = f"no result within the time allowed ({elapsed_ms(started) / 1000:.1f} s)"
        return Finding(invariant, "unknown", reason=reason, took_ms=elapsed_ms(started)), set()
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        await connection.execute(_BACK_TO_SAVEPOINT)
        reason = str(error).splitlines()[0]
        return Finding(invariant, "unknown", reason=reason, took_ms=elapsed_ms(started)), set()
    if not found:
        return Finding(invariant, "holds", took_ms=elapsed_ms(started)), set()
    total, overdue = found[0]["_total"], found[0]["_overdue"]
    state: State = "settling" if invariant.kind == "Q" and not overdue else "violated"
    rows = tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in found)
    unsettled: set[str] = set()
    if invariant.settles_later:
        unsettled = {str(row.get("payment_ref") or row["order_id"]) for row in rows}
    return Finding(
        invariant, state, total, overdue, rows[:ROWS_SHOWN], took_ms=elapsed_ms(started)
    ), unsettled


def elapsed_ms(started: float) -> float:
    """Since `started`, of `time.perf_counter()`."""
    return round((time.perf_counter() - started) * 1000, 1)
