"""Reads merchants and policies, read-only, for their page and the JSON API."""

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


class Policies(Struct, frozen=True):
    """All of both; versions newest first."""

    merchants: tuple[MerchantRecord, ...]
    versions: tuple[VersionRecord, ...]


class PolicyQueries:
    """The query of the page of policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policies(self) -> Policies:
        """Merchants and versions as they are now."""
        async with self._database.connect() as connection:
            merchants = await connection.rows(_MERCHANTS)
            versions = await connection.rows(_VERSIONS)
        return msgspec.convert(
            {"merchants": list(map(dict, merchants)), "versions": list(map(dict, versions))},
            Policies,
        )
