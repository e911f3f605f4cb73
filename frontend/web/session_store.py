"""Who is signed in, and the key of forms: in the database, followed in memory."""

import asyncio
import contextlib
import hashlib
import secrets
import time
from typing import Any

from msgspec import Struct
from sqlalchemy import text

from chassis.database.pace import changes_of
from chassis.database.pool import Database, Row, statement

# An hour without a page or an action: the laptop on the lectern is somebody else's by then. An
# open page that only refreshes itself does not count.
_IDLE_S = 3600
# A working day, whatever happens.
SESSION_S = 12 * 3600
# A sign-out holds at the other dashboards as soon as a gremlin's end does.
_POLL_S = 1.0
# Each takes a password or the operator token to open, so this is more than there will be.
_MOST_SESSIONS = 1000

_KEY_NAME = "forms"
_MAKE_KEY = statement(
    text(
        "INSERT INTO dashboard.secrets (name, value) VALUES (:name, :value)"
        " ON CONFLICT (name) DO NOTHING"
    ),
    "INSERT dashboard.secrets",
)
_KEY = statement(
    text("SELECT value FROM dashboard.secrets WHERE name = :name"), "SELECT dashboard.secrets"
)
_OPEN = statement(
    text(
        "INSERT INTO dashboard.sessions (id, visitor, token, subject, roles, sealed)"
        " VALUES (:id, :visitor, :token, :subject, :roles ::text[], :sealed)"
    ),
    "INSERT dashboard.sessions",
)
# Of two dashboards that renew at once one is told which tokens are the newer ones.
_RESEAL = statement(
    text(
        "UPDATE dashboard.sessions SET sealed = :sealed, seen_at = now()"
        " WHERE id = :id AND sealed = :before"
    ),
    "UPDATE dashboard.sessions",
)
_SEALED = statement(
    text("SELECT sealed FROM dashboard.sessions WHERE id = :id"), "SELECT dashboard.sessions"
)
_TOUCH = statement(
    text("UPDATE dashboard.sessions SET seen_at = now() WHERE id = ANY(:ids)"),
    "UPDATE dashboard.sessions",
)
_END = statement(
    text(
        "DELETE FROM dashboard.sessions WHERE id = ANY(:ids)"
        " OR opened_at < now() - make_interval(secs => :absolute_s)"
        " OR seen_at < now() - make_interval(secs => :idle_s)"
    ),
    "DELETE dashboard.sessions",
)
_LIVE = statement(
    text(
        "SELECT id, visitor, token, subject, roles, sealed,"
        " extract(epoch FROM now() - opened_at)::float8 AS open_s,"
        " extract(epoch FROM now() - seen_at)::float8 AS idle_s"
        " FROM dashboard.sessions ORDER BY seen_at DESC LIMIT :most"
    ),
    "SELECT dashboard.sessions",
)


class Session(Struct):
    """One browser in which somebody signed in; times are monotonic seconds. `token` is the operator
    token's HMAC under the cookie, so that the operator's session ends with the token; `sealed` are
    another person's tokens, which only the cookie opens."""

    visitor: str
    token: bytes
    subject: str
    roles: tuple[str, ...]
    sealed: bytes | None
    opened: float
    seen: float


class SessionStore:
    """Finding a session never waits: what was read last is in memory, and holds until it ends."""

    def __init__(self, database: Database, *, has_sessions: bool) -> None:
        """Without `has_sessions` only the key is read."""
        self._database = database
        self._has_sessions = has_sessions
        # Forms made before the database was read stay good: the newest key signs, all are known.
        self.keys: list[bytes] = [secrets.token_bytes(32)]
        self._is_key_read = False
        self._sessions: dict[bytes, Session] = {}
        # Somebody has shown a cookie, known here or not.
        self._is_asked = asyncio.Event()
        self._touched: set[bytes] = set()
        self._ended: set[bytes] = set()
        self._exchanging = asyncio.Lock()  # or an older read could overwrite a newer one

    async def run(self) -> None:
        """Follow the database, for ever or until nothing is left to follow."""
        changes = changes_of(self._database)
        changes.sets(self._is_asked)
        while self._has_sessions or not self._is_key_read:
            with contextlib.suppress(Exception):
                await self.refresh()
            await asyncio.sleep(_POLL_S)
            if self._is_key_read and not self._sessions:
                await changes.wait(self._database, self._is_asked)
            self._is_asked.clear()

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    async def read_key(self) -> None:
        """Make sure that the key is the database's, if that answers."""
        if not self._is_key_read:
            with contextlib.suppress(Exception):
                await self.refresh()

    async def refresh(self) -> None:
        """Write what happened here, and read what is."""
        async with self._exchanging, self._database.connect() as connection:
            if not self._is_key_read:
                await connection.execute(_MAKE_KEY, name=_KEY_NAME, value=secrets.token_bytes(32))
                row = await connection.row(_KEY, name=_KEY_NAME)
                self.keys[:0] = [row["value"]] if row else []
                self._is_key_read = True
            if self._has_sessions:
                touched, ended = list(self._touched), list(self._ended)
                if touched:
                    await connection.execute(_TOUCH, ids=touched)
                self._touched.difference_update(touched)
                if ended or self._sessions:
                    await connection.execute(_END, ids=ended, absolute_s=SESSION_S, idle_s=_IDLE_S)
                self._ended.difference_update(ended)
                rows = await connection.rows(_LIVE, most=_MOST_SESSIONS)
                self._sessions = {row["id"]: _session(row) for row in rows}

    def find(self, cookie: str, *, attended: bool) -> Session | None:
        """The session of this cookie, if it has not ended; `attended` keeps it from idling."""
        session = self._sessions.get(key := _digest(cookie))
        self._is_asked.set()
        now = time.monotonic()
        if session is None or key in self._ended:
            return None
        if now - session.opened > SESSION_S or now - session.seen > _IDLE_S:
            return None
        if attended:
            session.seen = now
            self._touched.add(key)
        return session

    async def open(self, cookie: str, **who: Any) -> None:
        """Begin a session with the fields of `Session`. Raises what the database raises."""
        async with self._exchanging, self._database.connect() as connection:
            await connection.execute(_OPEN, id=_digest(cookie), **who)
            now = time.monotonic()
            self._sessions[_digest(cookie)] = Session(**who, opened=now, seen=now)

    async def newest(self, cookie: str) -> bytes | None:
        """The tokens of a session as the database has them. Raises what the database raises."""
        async with self._database.connect() as connection:
            row = await connection.row(_SEALED, id=_digest(cookie))
        return None if row is None else row["sealed"]

    async def reseal(self, cookie: str, before: bytes, sealed: bytes) -> None:
        """Keep a session's new tokens. Raises what the database raises."""
        async with self._exchanging, self._database.connect() as connection:
            await connection.execute(_RESEAL, id=_digest(cookie), before=before, sealed=sealed)
            if (session := self._sessions.get(_digest(cookie))) is not None:
                session.sealed = sealed

    async def end(self, cookie: str) -> None:
        """End a session here and now, and in the database as soon as it answers."""
        if self._sessions.pop(key := _digest(cookie), None) is not None:
            self._ended.add(key)
            with contextlib.suppress(Exception):
                await self.refresh()


def _session(row: Row) -> Session:
    now = time.monotonic()
    fields = {name: row[name] for name in ("visitor", "token", "subject", "sealed")}
    times = {"opened": now - row["open_s"], "seen": now - row["idle_s"]}
    return Session(**fields, roles=tuple(row["roles"]), **times)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
