"""One act at a time in the whole shop: a lock that the player's own database connection holds."""

import contextlib
import re
from datetime import datetime
from types import TracebackType

import asyncpg
from msgspec import Struct

from chassis.database.errors import UNANSWERED

# Any two numbers that no other advisory lock uses: "act" and "turn" as bytes.
_LOCK = (0x616374, 0x7475726E)
_CONNECT_S = 3.0
# What PostgreSQL keeps of an application's name is 63 bytes.
_NAME = "valerix-act {act} {who}"
_NAMED = re.compile(r"valerix-act (\S+) (.*)")
_HOLDER = """\
SELECT a.application_name, a.backend_start FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.objid = $2 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class LockHolder(Struct, frozen=True):
    """Who plays which act since when."""

    act: str
    who: str
    since: datetime


class LockTaken(Exception):
    """Somebody else plays an act."""

    def __init__(self, holder: LockHolder | None) -> None:
        super().__init__(
            "another act is being played"
            if holder is None
            else f"the act {holder.act} is being played by {holder.who}"
            f" since {holder.since:%H:%M:%S} UTC"
        )
        self.holder = holder


class LockUnavailable(Exception):
    """The database that holds the lock cannot be reached."""


class ScenarioLock:
    """The lock of one performance. PostgreSQL releases it when the player dies, however it dies;
    after PostgreSQL itself was away, `keep` takes it again."""

    def __init__(self, database_url: str, act: str, who: str) -> None:
        self._url, self._name = database_url, _NAME.format(act=act[:32], who=who)[:63]
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> "ScenarioLock":
        """Take it; raises `LockTaken` or `LockUnavailable`."""
        await self._take()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            # The next act may begin at once; a server that is gone has released it already.
            try:
                await self._connection.close(timeout=1.0)
            except UNANSWERED:
                self._connection.terminate()
            self._connection = None

    async def keep(self) -> None:
        """Take it again after PostgreSQL was away; raises `LockTaken` if somebody was quicker."""
        if self._connection is None or self._connection.is_closed():
            with contextlib.suppress(LockUnavailable):
                await self._take()

    async def _take(self) -> None:
        connection = None
        try:
            connection = await asyncpg.connect(
                self._url, timeout=_CONNECT_S, server_settings={"application_name": self._name}
            )
            taken = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", *_LOCK)
            holder = None if taken else await _ask(connection)
        except UNANSWERED as error:
            if connection is not None:
                connection.terminate()
            raise LockUnavailable(
                str(error).splitlines()[0] if str(error) else "no answer"
            ) from None
        if not taken:
            connection.terminate()
            raise LockTaken(holder)
        self._connection = connection


async def holder(database_url: str) -> LockHolder | None:
    """Who plays an act right now; None if nobody does, or if that cannot be asked."""
    try:
        connection = await asyncpg.connect(database_url, timeout=_CONNECT_S)
    except UNANSWERED:
        return None
    try:
        return await _ask(connection)
    except UNANSWERED:
        return None
    finally:
        connection.terminate()


async def _ask(connection: asyncpg.Connection) -> LockHolder | None:
    row = await connection.fetchrow(_HOLDER, *_LOCK)
    match = row and _NAMED.fullmatch(row["application_name"])
    return LockHolder(match[1], match[2], row["backend_start"]) if row and match else None
