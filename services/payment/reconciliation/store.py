"""Reconciliation in SQL: what is matched, and the rows of runs, lines and differences."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from services.payment.contract import BreakState, BreakView, RunView
from services.payment.reconciliation.match import DayMatch, Posting
from services.payment.reconciliation.settlement_file import SettlementLine

# A leg has one attempt that ever held money; its account is the one that was paid at.
_POSTED = (
    "SELECT l.payment_id, l.leg_n, l.kind, a.provider_ref AS intent,"
    "   abs(l.amount_minor) AS amount_minor, l.currency, l.posted_at, a.state AS attempt_state,"
    "   p.state AS payment_state"
    " FROM payments.ledger l"
    " JOIN payments.payments p USING (payment_id)"
    " JOIN payments.attempts a ON a.payment_id = l.payment_id AND a.leg_n = l.leg_n"
    "   AND a.provider = :account ::text"
    "   AND a.n = (SELECT max(n) FROM payments.attempts"
    "     WHERE payment_id = l.payment_id AND leg_n = l.leg_n)"
    " WHERE l.account = 'gateway_clearing'"
)
_OF_DAY = statement(
    text(
        f"{_POSTED} AND l.posted_at >= :day ::date ::timestamp AT TIME ZONE 'UTC'"
        "   AND l.posted_at < (:day ::date + 1) ::timestamp AT TIME ZONE 'UTC'"
    ),
    "SELECT payments.ledger",
)
_OF_INTENTS = statement(
    text(f"{_POSTED} AND a.provider_ref = ANY (:intents ::text[])"), "SELECT payments.ledger"
)
_KNOWN = statement(
    text(
        "SELECT line_id, kind, intent, amount_minor, fee_minor, currency, booked_at"
        " FROM payments.settlement_lines"
        " WHERE account = :account AND (intent = ANY (:intents ::text[])"
        "   OR line_id = ANY (:lines ::text[]))"
    ),
    "SELECT payments.settlement_lines",
)
_TERMS = statement(
    text(
        "SELECT since, fee_basis_points, fee_fixed_minor FROM payments.provider_terms"
        " WHERE account = :account ORDER BY since"
    ),
    "SELECT payments.provider_terms",
)
_ADD_RUN = statement(
    text(
        "INSERT INTO payments.reconciliation_runs"
        "   (account, day, result, reason, lines, matched, young, started_at)"
        " VALUES (:account, :day, :result, :reason ::text, :lines, :matched, :young, :started_at)"
        " RETURNING id AS run, account, day, result, reason, lines, matched, young, started_at,"
        "   ended_at"
    ),
    "INSERT payments.reconciliation_runs",
)
_ADD_LINES = statement(
    text(
        "INSERT INTO payments.settlement_lines (account, line_id, day, kind, intent, amount_minor,"
        "   fee_minor, currency, booked_at, run)"
        " SELECT :account ::text, line_id, (booked_at AT TIME ZONE 'UTC')::date, kind, intent,"
        "   amount_minor, fee_minor, currency, booked_at, :run ::bigint"
        " FROM jsonb_to_recordset(:rows ::jsonb) AS r (line_id text, kind text, intent text,"
        "   amount_minor bigint, fee_minor bigint, currency text, booked_at timestamptz)"
        " ON CONFLICT DO NOTHING"
    ),
    "INSERT payments.settlement_lines",
)
_ADD_BREAKS = statement(
    text(
        "INSERT INTO payments.reconciliation_breaks (account, day, kind, reference, payment_id,"
        "   expected_minor, found_minor, currency, reason, run)"
        " SELECT :account ::text, :day ::date, kind, reference, payment_id, expected_minor,"
        "   found_minor, currency, reason, :run ::bigint"
        " FROM jsonb_to_recordset(:rows ::jsonb) AS r (kind text, reference text, payment_id uuid,"
        "   expected_minor bigint, found_minor bigint, currency text, reason text)"
        " ON CONFLICT DO NOTHING"
    ),
    "INSERT payments.reconciliation_breaks",
)
# What was found on this day before, and is not there any more.
_RESOLVE = statement(
    text(
        "UPDATE payments.reconciliation_breaks b SET state = 'resolved', state_at = now(),"
        "   note = coalesce(note, 'A later run matched it.'), resolved_in = :run ::bigint"
        " WHERE account = :account AND day = :day ::date AND state <> 'resolved'"
        "   AND NOT EXISTS (SELECT FROM jsonb_to_recordset(:rows ::jsonb)"
        "     AS r (kind text, reference text)"
        "     WHERE r.kind = b.kind AND r.reference = b.reference)"
    ),
    "UPDATE payments.reconciliation_breaks",
)
# The last day of each account, those before it that no run has read since they were over, and days
# with differences that nobody has resolved; unless they were read since then.
_DUE = statement(
    text(
        "SELECT account, day FROM ("
        " SELECT unnest(:accounts ::text[]) AS account, :last ::date AS day"
        " UNION SELECT a.account, missed ::date FROM unnest(:accounts ::text[]) AS a (account)"
        "   CROSS JOIN LATERAL (SELECT max(day) AS day FROM payments.reconciliation_runs r"
        "     WHERE r.account = a.account AND r.result <> 'failed' AND r.day <= :last ::date"
        "       AND r.started_at >= (r.day + 1) ::timestamp AT TIME ZONE 'UTC') whole"
        "   CROSS JOIN LATERAL generate_series(greatest(whole.day + 1, :last ::date - :back ::int),"
        "     :last ::date, interval '1 day') missed WHERE whole.day IS NOT NULL"
        " UNION SELECT account, day FROM payments.reconciliation_breaks"
        " WHERE state <> 'resolved' AND account = ANY (:accounts ::text[])"
        "   AND day BETWEEN :last ::date - :back ::int AND :last ::date) d"
        " WHERE NOT EXISTS (SELECT FROM payments.reconciliation_runs r"
        "   WHERE (r.account, r.day) = (d.account, d.day) AND r.result <> 'failed'"
        "     AND r.started_at >= :since ::timestamptz)"
        "   AND NOT EXISTS (SELECT FROM payments.reconciliation_runs r"
        "     WHERE (r.account, r.day) = (d.account, d.day) AND r.id > coalesce((SELECT max(id)"
        "       FROM payments.reconciliation_runs m WHERE (m.account, m.day) = (d.account, d.day)"
        "       AND m.result <> 'failed'), 0)"
        "     HAVING max(r.started_at) + least(:again_max_s ::float8,"
        "       :again_s ::float8 * 2 ^ least(count(*) - 1, 30)) * interval '1 second'"
        "       > :now ::timestamptz)"
        " ORDER BY day, account"
    ),
    "SELECT payments.reconciliation_runs",
)
_RUNS = statement(
    text(
        "SELECT id AS run, account, day, result, reason, lines, matched, young, started_at,"
        "   ended_at FROM payments.reconciliation_runs ORDER BY id DESC LIMIT :most"
    ),
    "SELECT payments.reconciliation_runs",
)
_BREAK = (
    "id, account, day, kind, reference, payment_id, expected_minor, found_minor, currency, reason,"
    " run, found_at, state, state_at, note, resolved_in"
)
_BREAKS = statement(
    text(
        f"SELECT {_BREAK} FROM payments.reconciliation_breaks"
        " WHERE :state ::text IS NULL OR state = :state ::text ORDER BY id LIMIT :most"
    ),
    "SELECT payments.reconciliation_breaks",
)
_FIND_BREAK = statement(
    text(f"SELECT {_BREAK} FROM payments.reconciliation_breaks WHERE id = :id"),
    "SELECT payments.reconciliation_breaks",
)
_OWN = statement(
    text(
        "UPDATE payments.reconciliation_breaks SET state = :state ::text, note = :note ::text,"
        f"   state_at = now() WHERE id = :id AND state <> 'resolved' RETURNING {_BREAK}"
    ),
    "UPDATE payments.reconciliation_breaks",
)


class Terms(msgspec.Struct, frozen=True):
    """What an account charges from a time on; None: from the beginning."""

    since: datetime | None
    fee_basis_points: int
    fee_fixed_minor: int


async def posted_on(c: Connection, account: str, day: date) -> list[Posting]:
    """What our ledger has of that UTC day at the account."""
    return [_posting(row) for row in await c.rows(_OF_DAY, account=account, day=day)]


async def posted_for(c: Connection, account: str, intents: Sequence[str]) -> list[Posting]:
    """What our ledger has of these intents, whenever it was posted."""
    rows = await c.rows(_OF_INTENTS, account=account, intents=list(intents))
    return [_posting(row) for row in rows]


async def known_lines(
    c: Connection, account: str, intents: Sequence[str], lines: Sequence[str]
) -> dict[str, SettlementLine]:
    """The lines with these ids, or about these intents, that were read before, by their id."""
    rows = await c.rows(_KNOWN, account=account, intents=list(intents), lines=list(lines))
    return {row["line_id"]: msgspec.convert(dict(row), SettlementLine) for row in rows}


async def terms_of(c: Connection, account: str) -> list[Terms]:
    """Everything that the account ever charged, the oldest first."""
    rows = await c.rows(_TERMS, account=account)
    return [
        Terms(_since(row["since"]), row["fee_basis_points"], row["fee_fixed_minor"]) for row in rows
    ]


async def add_failed(
    c: Connection, account: str, day: date, started_at: datetime, reason: str
) -> RunView:
    """A run that could not read the file."""
    values = {"result": "failed", "reason": reason, "lines": 0, "matched": 0, "young": 0}
    return await _add_run(c, account=account, day=day, started_at=started_at, **values)


async def add_run(
    tx: Connection, account: str, day: date, started_at: datetime, found: DayMatch
) -> RunView:
    """A run with its lines and its differences; differences of that day that are not among them are
    resolved by it."""
    run = await _add_run(
        tx,
        account=account,
        day=day,
        started_at=started_at,
        result="breaks" if found.differences else "matched",
        reason=None,
        lines=len(found.lines) + found.young,
        matched=found.matched,
        young=found.young,
    )
    of = {"account": account, "run": run.run}
    await tx.execute(_ADD_LINES, rows=msgspec.to_builtins(found.lines), **of)
    differences = msgspec.to_builtins(found.differences)
    await tx.execute(_ADD_BREAKS, rows=differences, day=day, **of)
    await tx.execute(_RESOLVE, rows=differences, day=day, **of)
    return run


async def due(
    c: Connection,
    accounts: Sequence[str],
    *,
    last: date,
    back: int,
    since: datetime,
    now: datetime,
    again_s: float,
    again_max_s: float,
) -> list[tuple[str, date]]:
    """(account, day) of what is to be read tonight: the last day, and those up to `back` days
    before it that nobody has read, or that still have differences. A file that could not be read is
    due again after `again_s`, and each time after twice as long, up to `again_max_s`."""
    rows = await c.rows(
        _DUE,
        accounts=list(accounts),
        last=last,
        back=back,
        since=since,
        now=now,
        again_s=again_s,
        again_max_s=again_max_s,
    )
    return [(row["account"], row["day"]) for row in rows]


async def runs(c: Connection, most: int) -> list[RunView]:
    """The newest runs."""
    return [msgspec.convert(dict(row), RunView) for row in await c.rows(_RUNS, most=most)]


async def breaks(c: Connection, state: BreakState | None, most: int) -> list[BreakView]:
    """Differences, in one state or in any, the oldest first."""
    rows = await c.rows(_BREAKS, state=state, most=most)
    return [_break(row) for row in rows]


async def find_break(c: Connection, break_id: int) -> BreakView | None:
    """One difference."""
    row = await c.row(_FIND_BREAK, id=break_id)
    return None if row is None else _break(row)


async def own(c: Connection, break_id: int, state: BreakState, note: str) -> BreakView | None:
    """Accept or resolve a difference by hand; None where it is resolved already, or absent."""
    row = await c.row(_OWN, id=break_id, state=state, note=note)
    return None if row is None else _break(row)


async def _add_run(c: Connection, **values: Any) -> RunView:
    row = await c.row(_ADD_RUN, **values)
    return msgspec.convert(dict(row or {}), RunView)


def _posting(row: Row) -> Posting:
    return msgspec.convert(dict(row), Posting)


def _break(row: Row) -> BreakView:
    return msgspec.convert(dict(row), BreakView)


def _since(found: datetime) -> datetime | None:
    return None if found.tzinfo is None or found.year <= 1 else found
