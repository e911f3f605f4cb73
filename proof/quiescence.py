"""Since when the shop has been left alone: unfinished work is held against it only after that."""

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from proof.invariant import Limits

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


class Quiescence(msgspec.Struct, frozen=True):
    """Since when no gremlin is loose; work begun before `overdue_before` had time enough."""

    at: datetime
    since: datetime
    overdue_before: datetime
    loose: int


async def find_quiescence(connection: asyncpg.Connection, limits: Limits) -> Quiescence:
    """How it stands at the transaction's moment."""
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
    return Quiescence(
        at=faults["at"],
        since=faults["at"] if faults["loose"] else since,
        overdue_before=faults["at"] - timedelta(seconds=limits.settle_s),
        loose=faults["loose"],
    )
