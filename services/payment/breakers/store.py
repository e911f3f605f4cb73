"""Breakers in SQL: one row an account; a trigger keeps every change of state on record."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, statement

_READ = statement(
    text(
        "SELECT account, state, reason, (state = 'open' AND open_until <= now()"
        "   AND coalesce(probe_until, '-infinity') <= now()) AS wants_probe"
        " FROM payments.breakers"
    ),
    "SELECT payments.breakers",
)
_KNOW = statement(
    text(
        "INSERT INTO payments.breakers (account) SELECT unnest(:accounts ::text[])"
        " ON CONFLICT (account) DO NOTHING"
    ),
    "INSERT payments.breakers",
)
# Failures are counted from the last answer on. The probe alone decides an open one: what comes late
# says nothing about now. What was set loose on the acquirer on purpose is named; it is an
# explanation and decides nothing.
_COUNT = statement(
    text(
        "UPDATE payments.breakers b SET failures = total,"
        "   state = CASE WHEN total >= :most THEN 'open' ELSE state END,"
        "   reason = CASE WHEN total >= :most THEN concat_ws('; ', why,"
        "     (SELECT 'while there was ' || string_agg(DISTINCT what, ' and ')"
        "      FROM payments.provider_accounts p CROSS JOIN LATERAL ("
        "        SELECT format('the gremlin %s (%s) on the acquirer', g.name, g.kind) AS what"
        "        FROM acquirer.gremlins g WHERE g.expires_at > now()"
        "        UNION ALL SELECT format('the mode %s of the account', a.mode)"
        "        FROM acquirer.accounts a WHERE a.name = p.account AND a.mode <> 'happy') loose"
        "      WHERE p.account = b.account AND p.connector = 'stripe')) END,"
        "   open_until = CASE WHEN total >= :most THEN now() + make_interval(secs => :open_s) END"
        " FROM (SELECT account, why, CASE WHEN answered THEN failed"
        "     ELSE failed + (SELECT failures FROM payments.breakers k WHERE k.account = s.account)"
        "   END AS total"
        "   FROM unnest(:accounts ::text[], :failures ::int[], :answered ::bool[],"
        "     :reasons ::text[]) AS s (account, failed, answered, why)) batch"
        " WHERE b.account = batch.account AND b.state = 'closed' AND b.failures <> total"
        " RETURNING b.state"
    ),
    "UPDATE payments.breakers",
)
# Those that are open, but for the probes that are still the caller's own; and those that moved
# since this transaction began, because an attempt carries its time.
_CLOSED_TO_NEW = statement(
    text(
        "SELECT account FROM payments.breakers b WHERE since > now() OR state = 'open' AND NOT"
        " EXISTS (SELECT FROM unnest(:accounts ::text[], :untils ::timestamptz[])"
        "   AS mine (account, until)"
        "   WHERE mine.account = b.account AND mine.until = b.probe_until)"
    ),
    "SELECT payments.breakers",
)
_OPEN_AT = statement(
    text(
        "SELECT account FROM (SELECT DISTINCT ON (account) account, dst"
        "   FROM payments.breaker_transitions WHERE at <= :at ::timestamptz"
        "   ORDER BY account, id DESC) last WHERE dst <> 'closed'"
    ),
    "SELECT payments.breaker_transitions",
)
# Whoever gets the row back is the only one in the fleet who may ask, for as long as the lease.
_LEASE = statement(
    text(
        "UPDATE payments.breakers SET probe_until = now() + make_interval(secs => :lease_s)"
        " WHERE account = :account AND state = 'open' AND open_until <= now()"
        "   AND coalesce(probe_until, '-infinity') <= now() RETURNING probe_until"
    ),
    "UPDATE payments.breakers lease",
)
_PROBED = statement(
    text(
        "UPDATE payments.breakers SET probe_until = NULL,"
        "   state = CASE WHEN :answered ::bool THEN 'closed' ELSE 'open' END,"
        "   failures = CASE WHEN :answered ::bool THEN 0 ELSE failures END,"
        "   reason = CASE WHEN :answered ::bool THEN NULL ELSE reason END,"
        "   open_until = CASE WHEN :answered ::bool THEN NULL"
        "     ELSE now() + make_interval(secs => :open_s) END"
        " WHERE account = :account AND state = 'open' AND probe_until IS NOT NULL"
        " RETURNING state"
    ),
    "UPDATE payments.breakers probed",
)


class BreakerRow(msgspec.Struct, frozen=True):
    """One account's breaker; `wants_probe` where it has been open for long enough."""

    account: str
    state: str
    reason: str | None
    wants_probe: bool


class SeenOutcomes(msgspec.Struct, frozen=True):
    """What one process saw of an account since it last said so."""

    account: str
    failures: int
    answered: bool
    reason: str | None


async def read(connection: Connection) -> list[BreakerRow]:
    """All of them; an account without a row is closed."""
    return [BreakerRow(**dict(row)) for row in await connection.rows(_READ)]


async def count(
    connection: Connection, batches: Sequence[SeenOutcomes], *, most: int, open_s: float
) -> int:
    """Add what was seen; `most` failures in a row open a breaker for `open_s` seconds. How many
    were opened."""
    accounts = [each.account for each in batches]
    await connection.execute(_KNOW, accounts=accounts)
    rows = await connection.rows(
        _COUNT,
        accounts=accounts,
        failures=[each.failures for each in batches],
        answered=[each.answered for each in batches],
        reasons=[each.reason for each in batches],
        most=most,
        open_s=open_s,
    )
    return sum(row["state"] == "open" for row in rows)


async def closed_to_new(
    tx: Connection, probes: Mapping[str, datetime] | None = None
) -> frozenset[str]:
    """The accounts that are asked for no new money by what this transaction writes; `probes` are
    the caller's own, each with the end of its lease."""
    mine = probes or {}
    rows = await tx.rows(_CLOSED_TO_NEW, accounts=list(mine), untils=list(mine.values()))
    return frozenset(row["account"] for row in rows)


async def open_at(connection: Connection, at: datetime) -> frozenset[str]:
    """The accounts whose breaker was open, or being probed, at a time."""
    rows = await connection.rows(_OPEN_AT, at=at)
    return frozenset(row["account"] for row in rows)


async def lease(connection: Connection, account: str, *, lease_s: float) -> datetime | None:
    """Become the one that probes an open account, until then; None where it is too soon, or
    somebody is."""
    row = await connection.row(_LEASE, account=account, lease_s=lease_s)
    return None if row is None else row["probe_until"]


async def probed(connection: Connection, account: str, *, answered: bool, open_s: float) -> bool:
    """The probe's outcome: closed, or open for another `open_s` seconds. Whether it was closed."""
    row = await connection.row(_PROBED, account=account, answered=answered, open_s=open_s)
    return row is not None and row["state"] == "closed"
