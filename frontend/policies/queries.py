"""Reads merchants, policies and terms of accounts, read-only, for their page and the JSON API."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Database, statement

_MERCHANTS = statement(
    text(
        "SELECT merchant_id, method, chain, budget_ms, policy_version, attributes"
        " FROM payments.merchants ORDER BY merchant_id LIMIT 100"
    ),
    "SELECT merchants",
)
_VERSIONS = statement(
    text(
        "SELECT version, text, at, ARRAY(SELECT merchant_id FROM payments.merchants"
        "   WHERE policy_version = version ORDER BY merchant_id) AS merchants"
        " FROM payments.policies ORDER BY at DESC, version LIMIT 100"
    ),
    "SELECT policies",
)


_TERMS = statement(
    text(
        "SELECT account, currencies, fee_basis_points, fee_fixed_minor, minimum_minor,"
        "   maximum_minor, daily_capacity_minor"
        " FROM (SELECT DISTINCT ON (account) * FROM payments.provider_terms WHERE since <= now()"
        "   ORDER BY account, since DESC) t"
        " JOIN payments.provider_accounts USING (account)"
        " ORDER BY connector = 'mock', account LIMIT 100"
    ),
    "SELECT terms",
)


class MerchantRecord(Struct, frozen=True):
    """A merchant as its payments are decided by; its time is in milliseconds."""

    merchant_id: str
    method: str
    chain: tuple[str, ...]
    budget_ms: int
    policy_version: str | None
    attributes: dict[str, Any]


class VersionRecord(Struct, frozen=True):
    """A version of a policy, which never changes, and the merchants that have it."""

    version: str
    text: str
    at: datetime
    merchants: tuple[str, ...]


class PresentTerms(Struct, frozen=True):
    """What an account charges and takes at present, in minor units; a capacity of None is any."""

    account: str
    currencies: tuple[str, ...]
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    maximum_minor: int
    daily_capacity_minor: int | None


class Policies(Struct, frozen=True):
    """All of them; versions newest first."""

    merchants: tuple[MerchantRecord, ...]
    versions: tuple[VersionRecord, ...]
    terms: tuple[PresentTerms, ...] = ()


class PolicyQueries:
    """The query of the page of policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policies(self) -> Policies:
        """Merchants, versions and terms as they are now."""
        async with self._database.connect() as connection:
            merchants = await connection.rows(_MERCHANTS)
            versions = await connection.rows(_VERSIONS)
            terms = await connection.rows(_TERMS)
        found = {"merchants": merchants, "versions": versions, "terms": terms}
        return msgspec.convert(
            {name: list(map(dict, rows)) for name, rows in found.items()}, Policies
        )

    async def terms(self) -> tuple[PresentTerms, ...]:
        """What accounts charge and take now."""
        async with self._database.connect() as connection:
            rows = await connection.rows(_TERMS)
        return msgspec.convert(list(map(dict, rows)), tuple[PresentTerms, ...])
