"""Judges every promise against one snapshot of the database."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import msgspec

from proof import invariants
from proof.checkpoint import Baseline, Checkpoint, find_baseline, next_checkpoint, save
from proof.invariant import Invariant, Limits
from proof.quiescence import Quiescence, find_quiescence
from proof.statements import ROWS_SHOWN, UNSETTLED_LIMIT, query

State = Literal["holds", "violated", "settling", "unknown"]
Row = dict[str, Any]
# So many orders are looked up in no time; more may take as long as reading everything.
_FEW = 2_000


class Finding(msgspec.Struct, frozen=True):
    """One promise and what was found. `rows` are the first few offenders of `total`; `overdue` of
    them had long enough to settle; `reason` says why a promise could not be judged."""

    invariant: Invariant
    state: State
    total: int = 0
    overdue: int = 0
    rows: tuple[Row, ...] = ()
    reason: str | None = None
    took_ms: float = 0.0


class Reach(msgspec.Struct, frozen=True):
    """How far a proof looked. Where `before` is given, `proven` orders had been proven by then and
    `orders` were examined now, all that changed since; where it is not, all of history was read,
    and `why` says the reason. `not_kept` says why the next proof cannot build on this one."""

    orders: int = 0
    before: datetime | None = None
    proven: int = 0
    why: str = ""
    not_kept: str = ""


class Report(msgspec.Struct, frozen=True):
    """The verdict on one snapshot. `gremlins_loose` counts faults in force; while there are any,
    unfinished work is not held against the shop. `quiet_since` is when the last one ended."""

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
    """The worst state found: broken before unjudged before unfinished."""
    states = {each.state for each in findings}
    order: tuple[State, ...] = ("violated", "unknown", "settling")
    return next((state for state in order if state in states), "holds")


def could_not_judge(reason: str, limits: Limits | None = None) -> Report:
    """The report of a database that cannot be asked: nothing holds, nothing is broken."""
    findings = tuple(Finding(each, "unknown", reason=reason) for each in invariants(limits))
    return Report(datetime.now(UTC), "unknown", findings, settle_s=(limits or Limits()).settle_s)


class StatementTimeouts(msgspec.Struct, frozen=True):
    """How long one statement may take: one about a few orders, and one that reads all of them."""

    few_s: float = 30.0
    all_s: float = 30.0


DEFAULT_TIMEOUTS = StatementTimeouts()


class ProofStep(msgspec.Struct, frozen=True):
    """What comes next: a promise, asked of so many orders, which may take so long."""

    promise: Invariant
    orders: int
    allowed_s: float


async def evaluate(
    connection: asyncpg.Connection,
    limits: Limits | None = None,
    *,
    patience: StatementTimeouts = DEFAULT_TIMEOUTS,
) -> Report:
    """Judge every promise over the whole history; nothing is built on and nothing is kept.

    One REPEATABLE READ snapshot, so that all promises speak of one moment. A promise whose SQL
    fails is `unknown` with the reason, and the others are still judged.
    """
    report, _, _ = await _judge_all(connection, limits or Limits(), patience, whole=True)
    return report


async def prove(
    connection: asyncpg.Connection,
    limits: Limits,
    *,
    whole: bool = False,
    patience: StatementTimeouts = DEFAULT_TIMEOUTS,
    step: Callable[[ProofStep], None] | None = None,
) -> Report:
    """Judge every promise as `evaluate` does, and keep how far it is proven now.

    Only what changed since it was last proven is read, or everything where it never was proven or
    `whole` asks for that. Raises when the connection is lost, or when it takes too long to find
    out what changed.
    """
    report, ground, proven = await _judge_all(connection, limits, patience, whole=whole, step=step)
    if proven is None or not ground.promises:
        return report
    not_kept = await save(connection, ground.promises, proven)
    reach = msgspec.structs.replace(report.reach, not_kept=not_kept)
    return msgspec.structs.replace(report, reach=reach)


async def _judge_all(
    connection: asyncpg.Connection,
    limits: Limits,
    patience: StatementTimeouts,
    *,
    whole: bool,
    step: Callable[[ProofStep], None] | None = None,
) -> tuple[Report, Baseline, Checkpoint | None]:
    started = time.perf_counter()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await _allow(connection, patience.few_s, of_few=True)
        quiet = await find_quiescence(connection, limits)
        ground = await find_baseline(connection, whole=whole)
        allowed_s = patience.few_s
        if ground.since is None or ground.orders > _FEW:
            allowed_s = patience.all_s
            await _allow(connection, allowed_s, of_few=ground.since is not None)
        findings: list[Finding] = []
        unsettled: set[str] = set()
        for each in invariants(limits):
            if step is not None:
                step(ProofStep(each, ground.orders, allowed_s))
            finding, owners = await _judge(connection, each, quiet, ground)
            findings.append(finding)
            unsettled |= owners
        proven = None
        if _advances(findings, ground):
            proven = await next_checkpoint(connection, ground, quiet.at, tuple(sorted(unsettled)))
    report = Report(
        at=quiet.at,
        state=verdict(tuple(findings)),
        findings=tuple(findings),
        took_ms=_since(started),
        gremlins_loose=quiet.loose,
        quiet_since=None if quiet.loose else quiet.since,
        settle_s=limits.settle_s,
        reach=_reach(ground),
    )
    return report, ground, proven


async def _allow(connection: asyncpg.Connection, statement_s: float, *, of_few: bool) -> None:
    """The time for each statement. About a few orders it is planned knowing how many they are, and
    without helpers, who take longer to start than it takes."""
    plan = "force_custom_plan" if of_few else "auto"
    helpers = "0" if of_few else "DEFAULT"
    await connection.execute(
        f"SET LOCAL statement_timeout = {int(statement_s * 1000)};"
        f"SET LOCAL plan_cache_mode = {plan};"
        f"SET LOCAL max_parallel_workers_per_gather = {helpers}"
    )


def _advances(findings: list[Finding], ground: Baseline) -> bool:
    """Whether all before this snapshot is explained, so that a checkpoint may stand here."""
    if ground.since is not None and not ground.since.question.refs:
        return False  # nothing changed: the last one stands
    return all(map(_is_explained, findings))


def _is_explained(finding: Finding) -> bool:
    promise = finding.invariant
    if finding.state in ("holds", "unknown"):
        return finding.state == "holds"
    if promise.kind == "Q" and promise.reads == "everything":
        return True  # an order that waits too long, say: asked for each time, so nothing hides it
    return finding.state == "settling" and finding.total <= UNSETTLED_LIMIT


def _reach(ground: Baseline) -> Reach:
    if ground.since is None:
        return Reach(ground.orders, why=ground.why)
    last = ground.since.checkpoint
    return Reach(ground.orders, before=last.at, proven=last.orders)


async def _judge(
    connection: asyncpg.Connection, invariant: Invariant, quiet: Quiescence, ground: Baseline
) -> tuple[Finding, set[str]]:
    """What was found, and the orders that it leaves unsettled."""
    started = time.perf_counter()
    sql, values = query(invariant, quiet, ground)
    try:
        async with connection.transaction():  # a savepoint: one failure leaves the others judgeable
            found = await connection.fetch(sql, *values)
    except asyncpg.QueryCanceledError:
        reason = f"no answer within the time allowed ({_since(started) / 1000:.1f} s)"
        return Finding(invariant, "unknown", reason=reason, took_ms=_since(started)), set()
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        reason = str(error).splitlines()[0]
        return Finding(invariant, "unknown", reason=reason, took_ms=_since(started)), set()
    if not found:
        return Finding(invariant, "holds", took_ms=_since(started)), set()
    total, overdue = found[0]["_total"], found[0]["_overdue"]
    state: State = "settling" if invariant.kind == "Q" and not overdue else "violated"
    rows = tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in found)
    owners: set[str] = set()
    if invariant.settles_later:
        owners = {str(row.get("order_ref") or row["order_id"]) for row in rows}
    return Finding(
        invariant, state, total, overdue, rows[:ROWS_SHOWN], took_ms=_since(started)
    ), owners


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
