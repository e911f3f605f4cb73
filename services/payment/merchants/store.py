"""Merchants in SQL."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import text

from chassis.database.pool import Connection, Row, statement
from services.payment.contract import MAX_AMOUNT_MINOR
from services.payment.merchants.merchant import Merchant
from services.payment.planning import ProviderTerms

_MERCHANT = statement(
    text(
        "SELECT m.merchant_id, m.method, m.chain, m.budget_ms, m.policy_version, m.attributes,"
        "   p.text AS policy_text"
        " FROM payments.merchants m LEFT JOIN payments.policies p ON p.version = m.policy_version"
        " WHERE m.merchant_id = :merchant_id"
    ),
    "SELECT payments.merchants",
)
# An attempt holds its account's capacity for as long as it may take money, from the transaction
# that commits the plan on; what was given up is free again.
_TERMS = statement(
    text(
        "SELECT a.account, a.connector, t.currencies, t.fee_basis_points, t.fee_fixed_minor,"
        "   t.minimum_minor, t.maximum_minor, t.daily_capacity_minor AS whole_minor,"
        "   CASE WHEN t.daily_capacity_minor IS NOT NULL"
        "     THEN greatest(0, t.daily_capacity_minor - coalesce(held.minor, 0))::bigint"
        "   END AS left_minor"
        " FROM unnest(:chain ::text[]) WITH ORDINALITY AS c (account, place)"
        " JOIN payments.provider_accounts a USING (account)"
        " CROSS JOIN LATERAL (SELECT * FROM payments.provider_terms"
        "   WHERE account = a.account AND since <= now() ORDER BY since DESC LIMIT 1) t"
        " LEFT JOIN LATERAL (SELECT sum(amount_minor) AS minor FROM payments.attempts"
        "   WHERE t.daily_capacity_minor IS NOT NULL AND provider = a.account"
        "   AND method IS NOT NULL AND created_at >= date_trunc('day', now(), 'UTC')"
        "   AND state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED')) held ON true"
        " ORDER BY c.place"
    ),
    "SELECT payments.provider_terms",
)
# In the order of their names, so that no two plans wait for each other.
_LOCK = statement(
    text(
        "SELECT account FROM payments.provider_accounts WHERE account = ANY(:accounts ::text[])"
        " ORDER BY account FOR UPDATE"
    ),
    "SELECT payments.provider_accounts FOR UPDATE",
)


async def find(connection: Connection, merchant_id: str) -> Merchant | None:
    """The merchant and the accounts of its chain as they are now."""
    row = await connection.row(_MERCHANT, merchant_id=merchant_id)
    if row is None:
        return None
    return Merchant(
        merchant_id=row["merchant_id"],
        method=row["method"],
        accounts=await terms(connection, row["chain"]),
        budget_ms=row["budget_ms"],
        policy_version=row["policy_version"],
        policy_text=row["policy_text"],
        attributes=row["attributes"],
    )


async def terms(connection: Connection, accounts: Sequence[str]) -> tuple[ProviderTerms, ...]:
    """What these accounts charge and still take, in this order; unknown ones are left out."""
    rows = await connection.rows(_TERMS, chain=list(accounts))
    return tuple(_terms(row, "left_minor") for row in rows)


async def fresh_terms(connection: Connection, accounts: Sequence[str]) -> tuple[ProviderTerms, ...]:
    """The same on a day of which nothing is taken yet."""
    rows = await connection.rows(_TERMS, chain=list(accounts))
    return tuple(_terms(row, "whole_minor") for row in rows)


async def lock(tx: Connection, accounts: Sequence[str]) -> None:
    """Nobody else plans with these accounts until the transaction ends."""
    await tx.rows(_LOCK, accounts=list(accounts))


def _terms(row: Row, capacity: Literal["left_minor", "whole_minor"]) -> ProviderTerms:
    takes = row[capacity]
    return ProviderTerms(
        account=row["account"],
        connector=row["connector"],
        currencies=frozenset(row["currencies"]),
        fee_basis_points=row["fee_basis_points"],
        fee_fixed_minor=row["fee_fixed_minor"],
        minimum_minor=row["minimum_minor"],
        maximum_minor=row["maximum_minor"],
        capacity_minor=MAX_AMOUNT_MINOR if takes is None else takes,
    )
