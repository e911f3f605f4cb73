"""How PostgreSQL would run the statements of due work."""

import re
from typing import Any

import asyncpg

from chassis.due_work import DueWork

_VALUES: dict[str, Any] = {"lease_s": 1.0, "spread_s": 1.0, "base_s": 1.0, "max_s": 9.0, "most": 5}


async def plans_with_index(connection: asyncpg.Connection, work: DueWork) -> set[str]:
    """The indexes that serve claim, wake and backlog when no table may be read whole; "" for one
    that no index can serve."""
    used = set[str]()
    async with connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        for query in (work._claim, work._wake, work._backlog):  # noqa: SLF001
            values = [_VALUES[name] for name in query.parameters]
            plan = "\n".join(
                line for (line,) in await connection.fetch(f"EXPLAIN {query.sql}", *values)
            )
            used |= set(re.findall(r"(?:using|on) (\w+_due)\b", plan)) or {""}
    return used
