"""Counts requests by period, read-only: the period of the report is 0, the one before it is 1."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Database, Row, statement

# What has no reason of its own yet is open; a refusal's code stands in its answer. What its own
# customer or merchant cancelled did not fail.
_REQUESTS = """
WITH asked AS (
  SELECT 'orders' AS of, created_at AS at,
    CASE WHEN status = 'CONFIRMED' THEN 'succeeded'
         WHEN status = 'FAILED' AND reason = 'USER_CANCELLED' THEN 'cancelled'
         WHEN status = 'FAILED' THEN 'failed' ELSE 'open' END
      AS result, reason, CASE WHEN settled_at IS NOT NULL
      THEN EXTRACT(epoch FROM settled_at - created_at) * 1000 END AS ms
  FROM orders.orders WHERE created_at > :oldest AND created_at <= :until
  UNION ALL
  SELECT 'payments', r.at,
    CASE WHEN p.state IN ('SUCCEEDED', 'REFUND_PENDING', 'REFUNDED') THEN 'succeeded'
         WHEN p.state IN ('PROCESSING', 'CANCELLING') THEN 'open'
         WHEN p.state = 'CANCELLED' THEN 'cancelled' ELSE 'failed' END,
    coalesce(p.decline_code, p.cancel_reason,
      CASE WHEN p.payment_id IS NULL THEN convert_from(r.answer, 'UTF8')::jsonb ->> 'code' END),
    CASE WHEN p.state NOT IN ('PROCESSING', 'CANCELLING')
      THEN EXTRACT(epoch FROM p.updated_at - r.at) * 1000 END
  FROM payments.requests r LEFT JOIN payments.payments p USING (payment_id)
  WHERE r.at > :oldest AND r.at <= :until),
placed AS (
  SELECT *, floor(EXTRACT(epoch FROM CAST(:until AS timestamptz) - at) / :length_s)::int AS period
  FROM asked)
"""
_COUNTS = statement(
    text(
        _REQUESTS
        + """
SELECT period, of, result, CASE WHEN result = 'failed' THEN coalesce(reason, 'no reason') END
    AS reason, count(*)::int AS count
FROM placed GROUP BY 1, 2, 3, 4"""
    ),
    "SELECT requests by period",
)
_TIMES = statement(
    text(
        _REQUESTS
        + """
SELECT period, of, count(ms)::int AS count,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::float8 AS p50_ms,
  (percentile_cont(0.99) WITHIN GROUP (ORDER BY ms))::float8 AS p99_ms
FROM placed WHERE ms IS NOT NULL GROUP BY 1, 2"""
    ),
    "SELECT times of requests by period",
)


class PeriodCount(Struct, frozen=True):
    """Requests of one period with one result and, where they failed, one reason."""

    period: int
    of: str
    result: Literal["succeeded", "failed", "cancelled", "open"]
    reason: str | None
    count: int


class PeriodTime(Struct, frozen=True):
    """How long the settled requests of one period took, in milliseconds."""

    period: int
    of: str
    count: int
    p50_ms: float
    p99_ms: float


class RetrospectiveQueries:
    """What a report reads from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def history(
        self, until: datetime, length: timedelta, periods: int
    ) -> tuple[tuple[PeriodCount, ...], tuple[PeriodTime, ...]]:
        """The period before `until` and as many before it, each of the same length."""
        asked = {
            "until": until,
            "oldest": until - length * (periods + 1),
            "length_s": length.total_seconds(),
        }
        async with self._database.connect() as connection:
            counts: list[Row] = await connection.rows(_COUNTS, **asked)
            times: list[Row] = await connection.rows(_TIMES, **asked)
        return (
            tuple(msgspec.convert(dict(row), PeriodCount) for row in counts),
            tuple(msgspec.convert(dict(row), PeriodTime) for row in times),
        )
