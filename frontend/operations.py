"""What operators asked of the shop beside gremlins, in the audit log: written before it is done."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Database, statement

What = Literal["traffic", "load"]
Action = Literal["started", "stopped", "expired"]
_NEWEST = 100
_WRITE = statement(
    text(
        "INSERT INTO dashboard.operations (what, action, actor, detail)"
        " VALUES (:what, :action, :actor, :detail)"
    ),
    "INSERT dashboard.operations",
)
_READ = statement(
    text(
        "SELECT at, what, action, actor, detail FROM dashboard.operations"
        " ORDER BY id DESC LIMIT :newest"
    ),
    "SELECT dashboard.operations",
)


class Operation(Struct, frozen=True):
    """One line: who started or stopped what, and when; `expired` is what ended by itself."""

    at: datetime
    what: What
    action: Action
    actor: str
    detail: str


class Operations:
    """The lines, of all dashboards of this shop. Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, what: What, action: Action, actor: str, detail: str) -> None:
        """Add a line."""
        async with self._database.connect() as connection:
            await connection.execute(
                _WRITE, what=what, action=action, actor=actor or "api", detail=detail[:400]
            )

    async def newest(self) -> tuple[Operation, ...]:
        """The last ones, newest first."""
        async with self._database.connect() as connection:
            rows = await connection.rows(_READ, newest=_NEWEST)
        return tuple(msgspec.convert(dict(row), Operation) for row in rows)
