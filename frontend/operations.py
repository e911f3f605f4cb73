"""What operators asked of the shop beside gremlins, in the audit log: begun only once it is there.

Lines about processes are written where they are stopped: fleet/process_audit.py; those about keys
and logins are the identity service's own rows."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import text

from chassis.database.pool import Database, statement
from services.identity.contract import LOGGED_OUT

What = Literal["traffic", "load", "process", "key", "login"]
Action = Literal[
    "started", "stopped", "expired", "refused", "restarted", "killed", "back", "lost",
    "withdrawn", "ended",
]  # fmt: skip
_NEWEST = 100
_WRITE = statement(
    text(
        "INSERT INTO dashboard.operations (what, action, actor, detail, about)"
        " VALUES (:what, :action, :actor, :detail, :about) RETURNING id"
    ),
    "INSERT dashboard.operations",
)
_READ = statement(
    text(
        "(SELECT at, what, action, actor, detail, process FROM dashboard.operations"
        " ORDER BY id DESC LIMIT :newest)"
        " UNION ALL (SELECT withdrawn_at, 'key', 'withdrawn', withdrawn_by,"
        " kid || ': ' || withdrawn_because, 'identity' FROM identity.signing_keys"
        " WHERE withdrawn_at IS NOT NULL ORDER BY withdrawn_at DESC LIMIT :newest)"
        " UNION ALL (SELECT revoked_at, 'login', 'ended', 'identity-service',"
        " 'of ' || user_id || ': ' || revoked_because, 'identity'"
        " FROM identity.families WHERE revoked_because <> :logged_out"
        " ORDER BY revoked_at DESC LIMIT :newest)"
        " ORDER BY at DESC LIMIT :newest"
    ),
    "SELECT dashboard.operations",
)


class Operation(Struct, frozen=True):
    """One line: who started or stopped what, and when; `expired` is what ended by itself. A process
    that was stopped is `back` or, with the shop, `lost`. A login is a line where a token of it was
    stolen, not where somebody logged out."""

    at: datetime
    what: What
    action: Action
    actor: str
    detail: str
    process: str | None = None


class Operations:
    """The lines, of all dashboards of this shop. Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(
        self, what: What, action: Action, actor: str, detail: str, about: int | None = None
    ) -> int:
        """Add a line, and return its id; `about` is that of the line it ends."""
        line = {"what": what, "action": action, "actor": actor or "api", "detail": detail[:400]}
        async with self._database.connect() as connection:
            row = await connection.row(_WRITE, **line, about=about)
        assert row is not None  # noqa: S101 - one row is inserted
        return int(row["id"])

    async def newest(self) -> tuple[Operation, ...]:
        """The last ones, newest first."""
        async with self._database.connect() as connection:
            rows = await connection.rows(_READ, newest=_NEWEST, logged_out=LOGGED_OUT)
        return tuple(msgspec.convert(dict(row), Operation) for row in rows)
