"""Policies, the merchants that have them, and stored decisions, in SQL."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from services.payment.contract import PolicyVersion
from services.payment.policies.capacity import CapacitySince
from services.payment.policies.what_if import StoredDecision

_PROVIDERS = statement(
    text("SELECT account FROM payments.provider_accounts ORDER BY account"),
    "SELECT payments.provider_accounts",
)
_FIND = statement(
    text("SELECT version, text, at FROM payments.policies WHERE version = :version"),
    "SELECT payments.policies",
)
_SAVE = statement(
    text(
        "INSERT INTO payments.policies (version, text) VALUES (:version, :text)"
        " ON CONFLICT (version) DO NOTHING"
    ),
    "INSERT payments.policies",
)
_GIVE = statement(
    text(
        "UPDATE payments.merchants SET policy_version = :version WHERE merchant_id = :merchant_id"
    ),
    "UPDATE payments.merchants",
)
_DECISIONS = statement(
    text(
        "SELECT n.payment_id, n.merchant_id, n.at, p.state, n.inputs, n.legs, n.policy_version,"
        "   (SELECT text FROM payments.policies WHERE version = n.policy_version) AS policy_text,"
        "   ARRAY(SELECT jsonb_object_keys(n.methods)) AS accounts,"
        "   (SELECT jsonb_agg(to_jsonb(fallbacks) ORDER BY leg_n) FROM payments.legs"
        "     WHERE payment_id = n.payment_id AND plan_n = 1) AS fallbacks,"
        "   (SELECT jsonb_agg(jsonb_build_object('plan_n', plan_n, 'leg_n', leg_n, 'n', t.n,"
        "       'provider', t.provider, 'amount_minor', t.amount_minor, 'state', t.state,"
        "       'detail', detail) ORDER BY leg_n, t.n)"
        "     FROM payments.attempts t JOIN payments.legs USING (payment_id, leg_n)"
        "     WHERE payment_id = n.payment_id) AS tries"
        " FROM payments.plans n JOIN payments.payments p USING (payment_id)"
        " WHERE (:merchant_id ::text = '' OR n.merchant_id = :merchant_id) AND n.plan_n = 1"
        " ORDER BY n.at DESC LIMIT :last"
    ),
    "SELECT payments.plans",
)
_WITHOUT_PLAN = statement(
    text(
        "SELECT count(*)::int AS number FROM payments.requests WHERE payment_id IS NULL"
        " AND inputs IS NULL AND at >= :since ::timestamptz"
        " AND (:merchant_id ::text = '' OR merchant_id = :merchant_id)"
    ),
    "SELECT payments.requests",
)
_REFUSED = statement(
    text(
        "SELECT NULL ::uuid AS payment_id, request_id, merchant_id, r.at, 'REFUSED' AS state,"
        "   inputs, p.version AS policy_version, p.text AS policy_text"
        " FROM payments.requests r"
        " LEFT JOIN payments.policies p ON p.version = inputs -> 'policy' ->> 'version'"
        " WHERE payment_id IS NULL AND inputs IS NOT NULL AND r.at >= :since ::timestamptz"
        " AND (:merchant_id ::text = '' OR merchant_id = :merchant_id)"
        " ORDER BY r.at DESC LIMIT :last"
    ),
    "SELECT payments.requests",
)
_CAPACITY = statement(
    text(
        "SELECT account, nullif(t.since, '-infinity') AS since, daily_capacity_minor"
        " FROM payments.provider_terms t ORDER BY account, t.since"
    ),
    "SELECT payments.provider_terms",
)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


async def providers(connection: Connection) -> tuple[str, ...]:
    """The accounts that a rule may name."""
    return tuple(row["account"] for row in await connection.rows(_PROVIDERS))


async def find(connection: Connection, version: str) -> PolicyVersion | None:
    """A version that was saved."""
    row: Row | None = await connection.row(_FIND, version=version)
    return None if row is None else PolicyVersion(**dict(row))


async def save(connection: Connection, version: str, policy: str) -> bool:
    """Keep a version; false where it was kept before."""
    return await connection.execute(_SAVE, version=version, text=policy) > 0


async def give(connection: Connection, merchant_id: str, version: str) -> bool:
    """Let a merchant's next payments be asked of this version; false without such a merchant."""
    return await connection.execute(_GIVE, merchant_id=merchant_id, version=version) > 0


async def decisions(connection: Connection, *, last: int, merchant_id: str) -> list[StoredDecision]:
    """The last payments with all they were decided from, newest first."""
    rows = await connection.rows(_DECISIONS, last=last, merchant_id=merchant_id)
    return [msgspec.convert(_whole(row), StoredDecision) for row in rows]


async def capacity(connection: Connection) -> list[CapacitySince]:
    """What every account took of a day, and from when on, the oldest first."""
    return [CapacitySince(**dict(row)) for row in await connection.rows(_CAPACITY)]


def _since(found: list[StoredDecision], last: int) -> datetime:
    """From when on: the oldest of the payments, or always where these are all that there are."""
    return found[-1].at if len(found) == last else _EVER


async def without_plan(
    connection: Connection, found: list[StoredDecision], merchant: str, *, last: int
) -> int:
    """How many requests of the same time have neither a payment nor inputs to decide them by."""
    since = _since(found, last)
    row = await connection.row(_WITHOUT_PLAN, since=since, merchant_id=merchant)
    return 0 if row is None else int(row["number"])


async def refused(
    connection: Connection, found: list[StoredDecision], merchant: str, *, last: int
) -> list[StoredDecision]:
    """The last requests of the same time that policy or plan refused."""
    rows = await connection.rows(
        _REFUSED, since=_since(found, last), merchant_id=merchant, last=last
    )
    return [
        StoredDecision(**dict(row), legs=(), accounts=tuple(row["inputs"]["accounts"]))
        for row in rows
    ]


def _whole(row: Row) -> dict[str, Any]:
    return {**row, "fallbacks": row["fallbacks"] or (), "tries": row["tries"] or ()}
