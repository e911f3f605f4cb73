"""Reads provider accounts, read-only, for their page and the JSON API. What the acquirer does wrong
on purpose is read from its own tables, as gremlins are: its answers would be bitten themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Database, Row, statement

T = TypeVar("T")

_ACCOUNTS = statement(
    text(
        """
SELECT a.account, a.connector,
  coalesce((SELECT sum(amount_minor)::bigint FROM payments.attempts t
    WHERE t.provider = a.account AND t.method IS NOT NULL
      AND t.created_at >= date_trunc('day', now(), 'UTC')
      AND t.state IN ('IN_FLIGHT', 'UNKNOWN', 'AUTHORISED', 'SUCCEEDED')), 0) AS used_minor,
  coalesce(b.state, 'closed') AS breaker, b.reason, coalesce(b.failures, 0) AS failures,
  (SELECT max(at) FROM payments.breaker_transitions k
   WHERE k.account = a.account AND k.dst = b.state) AS breaker_since,
  m.mode, m.mode_since
FROM payments.provider_accounts a
LEFT JOIN payments.breakers b USING (account)
LEFT JOIN acquirer.accounts m ON m.name = a.account AND a.connector = 'stripe'
ORDER BY a.account LIMIT 50"""
    ),
    "SELECT provider accounts",
)
_TERMS = statement(
    text(
        "SELECT account, CASE WHEN isfinite(since) THEN since END AS since, currencies,"
        "  fee_basis_points, fee_fixed_minor, minimum_minor, maximum_minor, daily_capacity_minor"
        " FROM payments.provider_terms WHERE since <= now()"
        " ORDER BY account, provider_terms.since DESC LIMIT 500"
    ),
    "SELECT provider terms",
)
# By the payments of the hour, which are few and indexed; how long the first answer took.
_HOUR = statement(
    text(
        """
WITH answered AS (
  SELECT t.provider, t.state, EXTRACT(epoch FROM (SELECT min(h.at) FROM payments.attempt_history h
      WHERE (h.payment_id, h.leg_n, h.n) = (t.payment_id, t.leg_n, t.n)
        AND h.dst IN ('AUTHORISED', 'SUCCEEDED', 'FAILED')) - t.created_at) * 1000 AS ms
  FROM payments.payments p JOIN payments.attempts t USING (payment_id)
  WHERE p.created_at > now() - interval '1 hour')
SELECT provider,
  count(*) FILTER (WHERE state = 'AUTHORISED')::int AS authorised,
  count(*) FILTER (WHERE state IN ('SUCCEEDED', 'REFUNDED'))::int AS captured,
  count(*) FILTER (WHERE state = 'FAILED')::int AS declined,
  count(*) FILTER (WHERE state = 'VOIDED')::int AS released,
  count(*) FILTER (WHERE state IN ('IN_FLIGHT', 'UNKNOWN'))::int AS unknown,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::float8 AS usual_ms,
  (percentile_cont(0.99) WITHIN GROUP (ORDER BY ms))::float8 AS slow_ms
FROM answered GROUP BY provider"""
    ),
    "SELECT outcomes of the hour",
)
_FAULTS = statement(
    text("SELECT duplicate, delay_s, reorder, forge, lose FROM acquirer.webhook_faults LIMIT 1"),
    "SELECT webhook faults",
)


class TermsRecord(Struct, frozen=True):
    """What an account charges and takes from a time on, in minor units; `since` is None for what
    it has had from the start, `daily_capacity_minor` where the day has no limit."""

    account: str
    since: datetime | None
    currencies: tuple[str, ...]
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    maximum_minor: int
    daily_capacity_minor: int | None


class HourOutcomes(Struct, frozen=True):
    """How an account's attempts of the last hour stand; the times are until the first answer."""

    provider: str
    authorised: int = 0
    captured: int = 0
    declined: int = 0
    released: int = 0
    unknown: int = 0
    usual_ms: float | None = None
    slow_ms: float | None = None


class ProviderRecord(Struct, frozen=True):
    """An account now. `used_minor` is what it holds of today's capacity (UTC); `mode` is None where
    the account is not the acquirer's. `terms` are the newest first."""

    account: str
    connector: str
    used_minor: int
    breaker: str
    reason: str | None
    failures: int
    breaker_since: datetime | None
    mode: str | None
    mode_since: datetime | None
    terms: tuple[TermsRecord, ...] = ()
    hour: HourOutcomes | None = None


class WebhookFaultRecord(Struct, frozen=True):
    """How badly the acquirer's webhooks travel: shares of deliveries, and seconds."""

    duplicate: float = 0.0
    delay_s: float = 0.0
    reorder: float = 0.0
    forge: float = 0.0
    lose: float = 0.0


class Providers(Struct, frozen=True):
    """All accounts, by name, and the faults of webhooks."""

    providers: tuple[ProviderRecord, ...]
    webhook_faults: WebhookFaultRecord


class ProviderQueries:
    """The query of the page of providers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def providers(self) -> Providers:
        """Every account as it is now."""
        async with self._database.connect() as connection:
            accounts = _all(await connection.rows(_ACCOUNTS), ProviderRecord)
            terms = _all(await connection.rows(_TERMS), TermsRecord)
            hour = _all(await connection.rows(_HOUR), HourOutcomes)
            faults = await connection.row(_FAULTS)
        by_name = {each.provider: each for each in hour}
        return Providers(
            tuple(
                msgspec.structs.replace(
                    each,
                    terms=tuple(one for one in terms if one.account == each.account),
                    hour=by_name.get(each.account),
                )
                for each in accounts
            ),
            msgspec.convert(dict(faults or {}), WebhookFaultRecord),
        )


def _all(rows: Sequence[Row], shape: type[T]) -> tuple[T, ...]:
    return tuple(msgspec.convert(dict(row), shape) for row in rows)
