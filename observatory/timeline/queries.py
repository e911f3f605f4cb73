"""Reads what happened to gremlins, and to orders and payments meanwhile, from the database."""

# ruff: noqa: S608 - what is put into these statements are this module's own constants.

from datetime import datetime

import msgspec
from sqlalchemy import text

from chassis.database.pool import Database, statement
from observatory.timeline.fault_windows import AuditEntry
from observatory.timeline.incident import OrdersMeanwhile
from topology import SERVICES

_AUDIT = statement(
    text(
        "SELECT * FROM ("
        + " UNION ALL ".join(
            f"(SELECT '{process.key}' AS service, id, at, action, name, kind, actor, detail"
            f" FROM {process.schema}.gremlin_audit ORDER BY id DESC LIMIT 100)"
            for process in SERVICES
        )
        + ") AS audit ORDER BY at DESC LIMIT 100"
    ),
    "SELECT gremlin audit",
)


# An order older than a quarter of an hour belongs to the reconciler and the proof by now.
# An order's payment is not counted beside it. One that was taken and given back later was settled
# when it was taken.
_MEANWHILE = statement(
    text(
        """
WITH work AS (
  SELECT true AS is_order, created_at, settled_at FROM orders.orders
  WHERE created_at > CAST(:since AS timestamptz) - interval '15 minutes' AND created_at <= :until
  UNION ALL
  SELECT false, created_at, CASE WHEN state IN ('REFUND_PENDING', 'REFUNDED') THEN created_at
    WHEN state NOT IN ('PROCESSING', 'CANCELLING') THEN updated_at END
  FROM payments.payments
  WHERE order_id IS NULL AND amount_minor IS NOT NULL
    AND created_at > CAST(:since AS timestamptz) - interval '15 minutes' AND created_at <= :until)
SELECT count(*) FILTER (WHERE created_at >= :since AND is_order) AS placed,
       count(*) FILTER (WHERE settled_at IS NULL OR settled_at > :until) AS open_at_end,
       count(*) FILTER (WHERE settled_at IS NULL) AS open_now,
       max(settled_at) FILTER (WHERE settled_at > :until) AS last_settled_at,
       count(*) FILTER (WHERE created_at >= :since AND NOT is_order) AS payments
FROM work"""
    ),
    "SELECT orders and payments meanwhile",
)


class TimelineQueries:
    """Read-only: what the recorder of incidents needs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def audit(self) -> tuple[AuditEntry, ...]:
        """What happened to gremlins, newest first."""
        async with self._database.connect() as connection:
            return tuple(
                msgspec.convert(dict(row), AuditEntry) for row in await connection.rows(_AUDIT)
            )

    async def orders_meanwhile(self, since: datetime, until: datetime) -> OrdersMeanwhile:
        """How many orders and payments were made in that time, and when the open ones were
        settled."""
        async with self._database.connect() as connection:
            row = await connection.row(_MEANWHILE, since=since, until=until)
        return msgspec.convert(dict(row or {}), OrdersMeanwhile)
