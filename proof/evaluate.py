"""Judges every promise: what changed, all in one snapshot; everything, each in its own."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from proof import invariants
from proof.chain import NO_HEADS, HeadFile, head_trouble
from proof.checkpoint import Baseline, Checkpoint, find_baseline, next_checkpoint, save
from proof.finding import Finding, State, verdict
from proof.invariant import Limits
from proof.invariants.record import THE_RECORD_IS_UNBROKEN
from proof.judging import (
    OF_ALL,
    OF_MANY,
    Case,
    Judge,
    Plans,
    ProofStep,
    elapsed_ms,
    plans_for,
    set_plans,
)
from proof.quiescence import Quiescence, find_quiescence
from proof.statements import UNSETTLED_LIMIT

# Up to so many changed orders, a statement is quick; with more it may take as long as a full read.
_QUICK = 2_000
# A commit takes milliseconds; a server that does not answer must not hold up who stops.
_END_S = 1.0


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


def could_not_judge(reason: str, limits: Limits | None = None) -> Report:
    """The report when the database does not answer: every promise is unknown."""
    findings = tuple(Finding(each, "unknown", reason=reason) for each in invariants(limits))
    return Report(datetime.now(UTC), "unknown", findings, settle_s=(limits or Limits()).settle_s)


class StatementTimeouts(msgspec.Struct, frozen=True):
    """How long a statement may take when it reads the changed orders, and when it reads all."""

    incremental_s: float = 30.0
    full_s: float = 30.0


DEFAULT_TIMEOUTS = StatementTimeouts()


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
    judge = Judge(invariants(limits), connection, beside, on_step)
    one_snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
    async with AsyncExitStack() as transactions:
        await transactions.enter_async_context(one_snapshot)
        await set_plans(connection, timeouts.incremental_s, OF_MANY)
        if not whole:
            judge.plan_ahead(timeouts.incremental_s)
        try:
            quiescence = await find_quiescence(connection, limits)
            baseline = await find_baseline(
                connection, whole=whole, heads=known, read_again=heads.read
            )
            trouble = await head_trouble(connection, known)
            if baseline.increment is None:
                await transactions.aclose()
                await transactions.enter_async_context(connection.transaction(readonly=True))
            head = known.of(baseline.server)
            found = await judge.judge(
                Case(quiescence, baseline, head, *_bounds_of(baseline, timeouts))
            )
        finally:
            await judge.stop()
        findings = [_unless(trouble, finding) for finding, _ in found]
        unsettled = set[str]().union(*(names for _, names in found))
        proven = None
        if _can_advance(findings, baseline):
            proven = await next_checkpoint(
                connection, baseline, quiescence.at, tuple(sorted(unsettled))
            )
    report = _report(tuple(findings), quiescence, baseline, limits, elapsed_ms(started))
    return report, baseline, proven


def _report(
    findings: tuple[Finding, ...],
    quiescence: Quiescence,
    baseline: Baseline,
    limits: Limits,
    took_ms: float,
) -> Report:
    return Report(
        at=quiescence.at,
        state=verdict(findings),
        findings=findings,
        took_ms=took_ms,
        gremlins_loose=quiescence.active_gremlins,
        quiet_since=None if quiescence.active_gremlins else quiescence.since,
        settle_s=limits.settle_s,
        reach=_reach(baseline),
    )


def _unless(trouble: str, finding: Finding) -> Finding:
    """The finding; unknown where there is trouble with what it had to be compared with."""
    if trouble and finding.state == "holds" and finding.invariant.id == THE_RECORD_IS_UNBROKEN.id:
        return msgspec.structs.replace(finding, state="unknown", reason=trouble)
    return finding


def _bounds_of(baseline: Baseline, timeouts: StatementTimeouts) -> tuple[float, Plans]:
    """How many seconds each statement may take, and how it is planned."""
    if baseline.increment is None:
        return timeouts.full_s, OF_ALL
    is_quick = baseline.orders <= _QUICK
    return timeouts.incremental_s if is_quick else timeouts.full_s, plans_for(baseline.orders)


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
