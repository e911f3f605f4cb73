"""Judges every promise against one snapshot of the database."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import asyncpg
import msgspec

from frontend.proof import invariants
from frontend.proof.invariant import Invariant, Limits

State = Literal["holds", "violated", "settling", "unknown"]
Row = dict[str, Any]
ROWS = 5

# The row an invariant finds is shown with how many there are; the count costs no second pass.
_ALWAYS = "SELECT count(*) OVER () AS _total, 0 AS _overdue, v.* FROM (\n{sql}\n) v LIMIT $1"
# Of a promise about quiet times only rows that had long enough since the last fault count.
_QUIET = """\
SELECT count(*) OVER () AS _total,
       count(*) FILTER (WHERE greatest(v.since, $2) < $3) OVER () AS _overdue, v.*
FROM (
{sql}
) v ORDER BY v.since LIMIT $1"""

# A fault that ran out leaves its row until somebody notices; one called off leaves an audit line.
_FAULTS = """\
SELECT count(*) FILTER (WHERE expires_at > now()) AS loose,
       max(expires_at) FILTER (WHERE expires_at <= now()) AS expired_at,
       greatest(
         (SELECT at FROM orders.gremlin_audit
          WHERE action IN ('calmed', 'expired') ORDER BY id DESC LIMIT 1),
         (SELECT at FROM inventory.gremlin_audit
          WHERE action IN ('calmed', 'expired') ORDER BY id DESC LIMIT 1),
         (SELECT at FROM payments.gremlin_audit
          WHERE action IN ('calmed', 'expired') ORDER BY id DESC LIMIT 1)) AS calmed_at,
       now() AS at
FROM (SELECT expires_at FROM orders.gremlins
      UNION ALL SELECT expires_at FROM inventory.gremlins
      UNION ALL SELECT expires_at FROM payments.gremlins) g"""


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

    def those(self, state: State) -> tuple[Finding, ...]:
        """The findings in this state."""
        return tuple(each for each in self.findings if each.state == state)


class Quiet(msgspec.Struct, frozen=True):
    """Since when no gremlin is loose; work begun before `overdue_before` had time enough."""

    at: datetime
    since: datetime
    overdue_before: datetime
    loose: int


def verdict(findings: tuple[Finding, ...]) -> State:
    """The worst state found: broken before unjudged before unfinished."""
    states = {each.state for each in findings}
    order: tuple[State, ...] = ("violated", "unknown", "settling")
    return next((state for state in order if state in states), "holds")


def could_not_judge(reason: str, limits: Limits | None = None) -> Report:
    """The report of a database that cannot be asked: nothing holds, nothing is broken."""
    findings = tuple(Finding(each, "unknown", reason=reason) for each in invariants(limits))
    return Report(datetime.now(UTC), "unknown", findings, settle_s=(limits or Limits()).settle_s)


async def evaluate(
    connection: asyncpg.Connection,
    limits: Limits | None = None,
    *,
    statement_timeout_s: float = 30.0,
) -> Report:
    """Judge every promise in one REPEATABLE READ snapshot, so that they all speak of one moment.

    A promise whose SQL fails is `unknown` with the reason, and the others are still judged. Raises
    only when the connection itself is lost.
    """
    limits = limits or Limits()
    started = time.perf_counter()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = {int(statement_timeout_s * 1000)}")
        quiet = await _quiet(connection, limits)
        findings = tuple([await _judge(connection, each, quiet) for each in invariants(limits)])
    return Report(
        at=quiet.at,
        state=verdict(findings),
        findings=findings,
        took_ms=_since(started),
        gremlins_loose=quiet.loose,
        quiet_since=None if quiet.loose else quiet.since,
        settle_s=limits.settle_s,
    )


async def _quiet(connection: asyncpg.Connection, limits: Limits) -> Quiet:
    try:
        async with connection.transaction():
            faults = await connection.fetchrow(_FAULTS)
    except asyncpg.UndefinedTableError:
        # No gremlins known: then work is held to its bound from the moment it began.
        faults = await connection.fetchrow(
            "SELECT 0 AS loose, NULL::timestamptz AS expired_at,"
            " NULL::timestamptz AS calmed_at, now() AS at"
        )
    ends = [end for end in (faults["expired_at"], faults["calmed_at"]) if end is not None]
    since = max(ends, default=datetime.fromtimestamp(0, UTC))
    return Quiet(
        at=faults["at"],
        since=faults["at"] if faults["loose"] else since,
        overdue_before=faults["at"] - timedelta(seconds=limits.settle_s),
        loose=faults["loose"],
    )


async def _judge(connection: asyncpg.Connection, invariant: Invariant, quiet: Quiet) -> Finding:
    started = time.perf_counter()
    arguments: tuple[Any, ...] = (ROWS,)
    if invariant.kind == "Q":
        arguments = (ROWS, quiet.since, quiet.overdue_before)
    template = _QUIET if invariant.kind == "Q" else _ALWAYS
    try:
        async with connection.transaction():  # a savepoint: one failure leaves the others judgeable
            found = await connection.fetch(template.format(sql=invariant.sql), *arguments)
    except asyncpg.QueryCanceledError:
        reason = f"no answer within the time allowed ({_since(started) / 1000:.1f} s)"
        return Finding(invariant, "unknown", reason=reason, took_ms=_since(started))
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        reason = str(error).splitlines()[0]
        return Finding(invariant, "unknown", reason=reason, took_ms=_since(started))
    if not found:
        return Finding(invariant, "holds", took_ms=_since(started))
    total, overdue = found[0]["_total"], found[0]["_overdue"]
    state: State = "settling" if invariant.kind == "Q" and not overdue else "violated"
    rows = tuple({k: v for k, v in row.items() if not k.startswith("_")} for row in found)
    return Finding(invariant, state, total, overdue, rows, took_ms=_since(started))


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
