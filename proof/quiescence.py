"""Since when no fault has been active: unfinished work counts as overdue only after that."""

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from proof.invariant import Limits
from topology import SERVICES

# A gremlin that expired keeps its row until a process removes it; one calmed leaves an audit row.
_CALMED = """\
(SELECT at FROM {schema}.gremlin_audit
          WHERE action IN ('calmed', 'expired') ORDER BY id DESC LIMIT 1)"""
_EXPIRING = "SELECT expires_at FROM {schema}.gremlins"
_FAULTS = """\
SELECT count(*) FILTER (WHERE expires_at > now()) AS active,
       max(expires_at) FILTER (WHERE expires_at <= now()) AS expired_at,
       greatest(
         {calmed}) AS calmed_at,
       now() AS at
FROM ({gremlins}) g""".format(
    calmed=",\n         ".join(_CALMED.format(schema=each.schema) for each in SERVICES),
    gremlins="\n      UNION ALL ".join(_EXPIRING.format(schema=each.schema) for each in SERVICES),
)


class Quiescence(msgspec.Struct, frozen=True):
    """Since when no gremlin is active; work begun before `overdue_before` has had time enough."""

    at: datetime
    since: datetime
    overdue_before: datetime
    active_gremlins: int


async def find_quiescence(connection: asyncpg.Connection, limits: Limits) -> Quiescence:
    """The state at the start of the transaction."""
    try:
        async with connection.transaction():
            faults = await connection.fetchrow(_FAULTS)
    except asyncpg.UndefinedTableError:
        # Without gremlin tables, work is overdue when its limit has passed since it began.
        faults = await connection.fetchrow(
            "SELECT 0 AS active, NULL::timestamptz AS expired_at,"
            " NULL::timestamptz AS calmed_at, now() AS at"
        )
    ends = [end for end in (faults["expired_at"], faults["calmed_at"]) if end is not None]
    since = max(ends, default=datetime.fromtimestamp(0, UTC))
    return Quiescence(
        at=faults["at"],
        since=faults["at"] if faults["active"] else since,
        overdue_before=faults["at"] - timedelta(seconds=limits.settle_s),
        active_gremlins=faults["active"],
    )
