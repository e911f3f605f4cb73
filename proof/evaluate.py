"""Judges every promise: what changed, all in one snapshot; everything, each in its own."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import msgspec

from proof import invariants
from proof.chain import NO_HEADS, Head, HeadFile, head_trouble
from proof.checkpoint import Baseline, Checkpoint, find_baseline, next_checkpoint, save
from proof.guards import MADE
from proof.invariant import Invariant, Limits
from proof.invariants.record import THE_RECORD_IS_UNBROKEN
from proof.quiescence import Quiescence, find_quiescence
from proof.statements import (
    ROWS_SHOWN,
    UNSETTLED_LIMIT,
    can_be_together,
    query,
    query_of_many,
)

State = Literal["holds", "violated", "settling", "unknown"]
Row = dict[str, Any]
# Up to so many changed orders, a statement is quick; with more it may take as long as a full read.
_QUICK = 2_000
# With few, each table of a promise is read once and compared row by row with others; that grows
# with the square of the orders, so more than these are planned for as many as they are.
_FEW = 300
# How PostgreSQL plans: `plan_cache_mode`, the parallel workers of a statement, and whether it is
# compiled.
Plans = tuple[str, str, str]
_OF_FEW, _OF_MANY = ("force_generic_plan", "0", "off"), ("force_custom_plan", "0", "off")
_OF_ALL = ("auto", "DEFAULT", "DEFAULT")
# A commit takes milliseconds; a server that does not answer must not hold up who stops.
_END_S = 1.0
# One for all promises: a statement that succeeds only reads, so there is nothing to undo.
_SET_SAVEPOINT, _BACK_TO_SAVEPOINT = "SAVEPOINT promises", "ROLLBACK TO SAVEPOINT promises"


class Finding(msgspec.Struct, frozen=True):
    """One promise and what was found. `rows` are the first of `total` offending rows; `overdue` of
    them had time enough to settle; `reason` says why a promise could not be judged; `took_ms` is
    for a statement of its own, 0 where one statement found that many promises hold."""

    invariant: Invariant
    state: State
    total: int = 0
    overdue: int = 0
    rows: tuple[Row, ...] = ()
    reason: str | None = None
    took_ms: float = 0.0


class Reach(msgspec.Struct, frozen=True):
    """How much a proof read, of `in_all` orders. With `before`, `proven` orders had been proven by
    that time and the `orders` that changed since, new or old, were examined now. Without it, the
    whole history was read, for the reason `why`; there were `payments` without an order, and
    `wallets`. `not_kept` says why the next proof cannot build on this one."""

    orders: int = 0
    payments: int = 0
    wallets: int = 0
    before: datetime | None = None
    proven: int = 0
    why: str = ""
    not_kept: str = ""
    in_all: int = 0


class Report(msgspec.Struct, frozen=True):
    """The verdict. `gremlins_loose` counts active gremlins; while there are any,
    unfinished work is not overdue. `quiet_since` is when the last one ended."""

    at: datetime
    state: State
    findings: tuple[Finding, ...]
    took_ms: float = 0.0
    gremlins_loose: int = 0
    quiet_since: datetime | None = None
    settle_s: float = 0.0
    reach: Reach = Reach()

    def those(self, state: State) -> tuple[Finding, ...]:
        """The findings in this state."""
        return tuple(each for each in self.findings if each.state == state)


def verdict(findings: tuple[Finding, ...]) -> State:
    """The worst state found: violated, then unknown, then settling."""
    states = {each.state for each in findings}
    order: tuple[State, ...] = ("violated", "unknown", "settling")
    return next((state for state in order if state in states), "holds")


def could_not_judge(reason: str, limits: Limits | None = None) -> Report:
    """The report when the database does not answer: every promise is unknown."""
    findings = tuple(Finding(each, "unknown", reason=reason) for each in invariants(limits))
    return Report(datetime.now(UTC), "unknown", findings, settle_s=(limits or Limits()).settle_s)


class StatementTimeouts(msgspec.Struct, frozen=True):
    """How long a statement may take when it reads the changed orders, and when it reads all."""

    incremental_s: float = 30.0
    full_s: float = 30.0


DEFAULT_TIMEOUTS = StatementTimeouts()


class ProofStep(msgspec.Struct, frozen=True):
    """The promises that one statement judges now, over how many orders, and the time it may
    take."""

    promises: tuple[Invariant, ...]
    orders: int
    allowed_s: float


async def evaluate(
    connection: asyncpg.Connection,
    limits: Limits | None = None,
    *,
    timeouts: StatementTimeouts = DEFAULT_TIMEOUTS,
) -> Report:
    """Judge every promise over the whole history; no checkpoint is used or saved.

    A promise whose SQL fails is `unknown` with the reason, and the others are still judged.
    """
    report, _, _ = await _judge_all(connection, limits or Limits(), timeouts, whole=True)
    return report


async def prove(
    connection: asyncpg.Connection,
    limits: Limits,
    *,
    whole: bool = False,
    timeouts: StatementTimeouts = DEFAULT_TIMEOUTS,
    on_step: Callable[[ProofStep], None] | None = None,
    heads: HeadFile = NO_HEADS,
    beside: Sequence[asyncpg.Connection] = (),
) -> Report:
    """Judge every promise as `evaluate` does, and save the checkpoint, here and in the `heads`.
    Connections `beside` the one judge some of them meanwhile.

    Reads what changed since the last checkpoint, in one snapshot; everything if there is none or if
    `whole` is true. A snapshot keeps the database from clearing away what it still sees, so where
    there is much to read each promise has its own: a promise is one statement, and the checkpoint
    is where the first began, from where the next proof reads all that changed. Raises if the
    connection is lost, or if it takes too long to find what changed.
    """
    report, baseline, proven = await _judge_all(
        connection, limits, timeouts, whole=whole, on_step=on_step, heads=heads, beside=beside
    )
    if proven is None or not baseline.promises:
        return report
    not_kept = await _whole(_keep(connection, baseline, proven, heads))
    reach = msgspec.structs.replace(report.reach, not_kept=not_kept)
    return msgspec.structs.replace(report, reach=reach)


async def _keep(
    connection: asyncpg.Connection, baseline: Baseline, proven: Checkpoint, heads: HeadFile
) -> str:
    """Save the checkpoint in the database, and then its digest outside; why it was not, or ""."""
    not_kept = await save(connection, baseline.promises, proven)
    if not not_kept:
        digest = proven.digest(baseline.promises)
        heads.keep(baseline.server, checkpoint=digest, orders=proven.orders)
    return not_kept


async def _whole(work: Coroutine[Any, Any, str]) -> str:
    """Its result. Whoever is stopped meanwhile waits for its end a moment: a checkpoint that
    differs from its copy outside is not trusted, and all would be read again."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,), timeout=_END_S)
        task.cancel()
        raise


async def _judge_all(
    connection: asyncpg.Connection,
    limits: Limits,
    timeouts: StatementTimeouts,
    *,
    whole: bool,
    on_step: Callable[[ProofStep], None] | None = None,
    heads: HeadFile = NO_HEADS,
    beside: Sequence[asyncpg.Connection] = (),
) -> tuple[Report, Baseline, Checkpoint | None]:
    started = time.perf_counter()
    known = heads.read()
    one_snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
    async with AsyncExitStack() as transactions:
        await transactions.enter_async_context(one_snapshot)
        await set_plans(connection, timeouts.incremental_s, _OF_MANY)
        quiescence = await find_quiescence(connection, limits)
        baseline = await find_baseline(connection, whole=whole, heads=known, read_again=heads.read)
        trouble = await head_trouble(connection, known)
        if baseline.increment is None:
            await transactions.aclose()
            await transactions.enter_async_context(connection.transaction(readonly=True))
        head = known.of(baseline.server)
        case = _Case(quiescence, baseline, head, *_bounds_of(baseline, timeouts))
        found = await _judge_promises(connection, beside, invariants(limits), case, on_step)
        findings = [_unless(trouble, finding) for finding, _ in found]
        unsettled = set[str]().union(*(names for _, names in found))
        proven = None
        if _can_advance(findings, baseline):
            proven = await next_checkpoint(
                connection, baseline, quiescence.at, tuple(sorted(unsettled))
            )
    report = Report(
        at=quiescence.at,
        state=verdict(tuple(findings)),
        findings=tuple(findings),
        took_ms=_elapsed_ms(started),
        gremlins_loose=quiescence.active_gremlins,
        quiet_since=None if quiescence.active_gremlins else quiescence.since,
        settle_s=limits.settle_s,
        reach=_reach(baseline),
    )
    return report, baseline, proven


class _Case(msgspec.Struct, frozen=True):
    """What the promises of one proof are judged by; each statement may take `allowed_s`."""

    quiescence: Quiescence
    baseline: Baseline
    head: Head
    allowed_s: float
    plans: Plans


async def _judge_promises(
    connection: asyncpg.Connection,
    beside: Sequence[asyncpg.Connection],
    promises: Sequence[Invariant],
    case: _Case,
    on_step: Callable[[ProofStep], None] | None,
) -> list[tuple[Finding, set[str]]]:
    """What is found of each, in their order, and the orders that have still to settle. The
    `connection` is in its transaction; those `beside` it see the same, where that is a snapshot."""
    baseline, everyone = case.baseline, (connection, *beside)
    found = dict[str, tuple[Finding, set[str]]]()
    together, waiting = _split(promises, case)

    def judges(*these: Invariant) -> None:
        if on_step is not None:
            on_step(ProofStep(these, baseline.orders, case.allowed_s))

    async def judge_some(one: asyncpg.Connection, share: Sequence[Invariant]) -> None:
        await show_outside(one, case.head, missing=baseline.missing)
        await set_plans(one, case.allowed_s, case.plans)
        await prepare_to_judge(one)
        if share:
            judges(*share)
            finders = await judge_together(one, share, case.quiescence, baseline)
            waiting.extend(each for each in share if each.id in finders)
            found.update(
                (each.id, (Finding(each, "holds"), set()))
                for each in share
                if each.id not in finders
            )
        while waiting:
            each = waiting.popleft()
            judges(each)
            found[each.id] = await judge_one(one, each, case.quiescence, baseline)

    async with AsyncExitStack() as transactions:
        shared = bool(beside) and baseline.increment is not None
        name = await connection.fetchval("SELECT pg_export_snapshot()") if shared else ""
        for each in beside:
            isolation = "repeatable_read" if shared else "read_committed"
            mine = each.transaction(isolation=isolation, readonly=True)
            await transactions.enter_async_context(mine)
            if shared:
                await each.execute(f"SET TRANSACTION SNAPSHOT '{name}'")
        shares = [together[n :: len(everyone)] for n in range(len(everyone))]
        await _all_of([judge_some(*each) for each in zip(everyone, shares, strict=True)])
    return [found[each.id] for each in promises]


def _split(promises: Sequence[Invariant], case: _Case) -> tuple[list[Invariant], deque[Invariant]]:
    """Those that one statement judges, and those that take one each: all where much is read, since
    one statement could then not say in its time which promise it was that took longer."""
    if case.plans != _OF_FEW:
        return [], deque(promises)
    together = [each for each in promises if can_be_together(each)]
    return together, deque(each for each in promises if not can_be_together(each))


async def _all_of(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _unless(trouble: str, finding: Finding) -> Finding:
    """The finding; unknown where there is trouble with what it had to be compared with."""
    if trouble and finding.state == "holds" and finding.invariant.id == THE_RECORD_IS_UNBROKEN.id:
        return msgspec.structs.replace(finding, state="unknown", reason=trouble)
    return finding


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


def _bounds_of(baseline: Baseline, timeouts: StatementTimeouts) -> tuple[float, Plans]:
    """How many seconds each statement may take, and how it is planned."""
    if baseline.increment is None:
        return timeouts.full_s, _OF_ALL
    is_quick = baseline.orders <= _QUICK
    return timeouts.incremental_s if is_quick else timeouts.full_s, plans_for(baseline.orders)


def plans_for(orders: int) -> Plans:
    """For statements that read so many orders."""
    return _OF_FEW if orders <= _FEW else _OF_MANY


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


def _can_advance(findings: list[Finding], baseline: Baseline) -> bool:
    """Whether a checkpoint may be saved: every finding before this snapshot is accounted for."""
    if baseline.increment is not None and not baseline.increment.changed.orders:
        return False  # nothing changed: the last checkpoint stays
    return all(map(_is_accounted_for, findings))


def _is_accounted_for(finding: Finding) -> bool:
    promise = finding.invariant
    if finding.state in ("holds", "unknown"):
        return finding.state == "holds"
    if promise.kind == "Q" and promise.reads == "everything":
        return (
            True  # such a promise reads everything each time, so a checkpoint hides nothing from it
        )
    return finding.state == "settling" and finding.total <= UNSETTLED_LIMIT


def _reach(baseline: Baseline) -> Reach:
    if baseline.increment is None:
        reach = Reach(baseline.orders, baseline.payments, baseline.wallets, why=baseline.why)
    else:
        last = baseline.increment.checkpoint
        reach = Reach(baseline.orders, before=last.at, proven=last.orders)
    return msgspec.structs.replace(reach, in_all=baseline.in_all)


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
        reason = f"no result within the time allowed ({_elapsed_ms(started) / 1000:.1f} s)"
        return Finding(invariant, "unknown", reason=reason, took_ms=_elapsed_ms(started)), set()
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        await connection.execute(_BACK_TO_SAVEPOINT)
        reason = str(error).splitlines()[0]
        return Finding(invariant, "unknown", reason=reason, took_ms=_elapsed_ms(started)), set()
    if not found:
        return Finding(invariant, "holds", took_ms=_elapsed_ms(started)), set()
    total, overdue = found[0]["_total"], found[0]["_overdue"]
    state: State = "settling" if invariant.kind == "Q" and not overdue else "violated"
    rows = tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in found)
    unsettled: set[str] = set()
    if invariant.settles_later:
        unsettled = {str(row.get("payment_ref") or row["order_id"]) for row in rows}
    return Finding(
        invariant, state, total, overdue, rows[:ROWS_SHOWN], took_ms=_elapsed_ms(started)
    ), unsettled


def _elapsed_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
