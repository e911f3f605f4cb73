"""Connections that judge again and again, and reconnect after the database was away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

import asyncpg

from chassis.database.errors import UNANSWERED
from proof.chain import HeadFile, Heads, Seal, newest, seal
from proof.clients.judge import judge_logs
from proof.evaluate import Report, StatementTimeouts, could_not_judge, prove
from proof.finding import Finding
from proof.invariant import Limits
from proof.judging import ProofStep
from proof.scrubber import Scrubber, Slice
from proof.settings import ProofSettings

CONNECT_S = 5.0
# A statement that reads the whole history may take so many times as long as an incremental one.
_FULL_FACTOR = 20
# Errors of the connection or the server; none of them is a violation.
# The last is a statement on a connection whose end the server has announced, but not its socket.


class ProofSession:
    """`judge` never raises for a database that is down, slow or restarting: that is `unknown`."""

    def __init__(
        self,
        settings: ProofSettings,
        *,
        statement_timeout_s: float = 30.0,
        connections: int = 1,
    ) -> None:
        """With several `connections` as many promises are judged at once."""
        self._url = settings.database_url
        self._limits = Limits.of(settings)
        self._timeouts = StatementTimeouts(statement_timeout_s, _FULL_FACTOR * statement_timeout_s)
        self._heads = HeadFile(settings.proof_head)
        self._connection: asyncpg.Connection | None = None
        self._beside: list[asyncpg.Connection] = []
        self._more = connections - 1
        # What the last proof read, by its name, and the one in which nothing was left to seal.
        self._judged: tuple[str, Heads] | None = None
        self._sealed = ""
        self._lock = asyncio.Lock()
        # The step it is at, while it judges.
        self.current_step: ProofStep | None = None

    async def __aenter__(self) -> "ProofSession":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def judge(self, *, whole: bool = False) -> Report:
        """The verdict now; opens the connection, and reopens it after an error.

        `whole` reads the history from its first order instead of building on the last proof."""
        timeouts = self._timeouts

        def on_step(step: ProofStep) -> None:
            self.current_step = step
            limit.reschedule(asyncio.get_running_loop().time() + 2 * step.allowed_s)

        # The server's own timeout comes first; this one is for a server that stopped responding.
        bound_s = CONNECT_S + 2 * timeouts.incremental_s
        try:
            async with self._lock, asyncio.timeout(bound_s) as limit:
                connection = await self._connected()
                # Before the proof's own: what both see is what it judges.
                self._judged = (await _snapshot(connection))[0], self._heads.read()
                return await prove(
                    connection,
                    self._limits,
                    whole=whole,
                    timeouts=timeouts,
                    on_step=on_step,
                    heads=self._heads,
                    beside=self._beside,
                )
        except UNANSWERED as error:
            await self.close()
            return could_not_judge(_reason(error), self._limits)
        finally:
            self.current_step = None

    async def unchanged_at(self) -> datetime | None:
        """The database's time, if there and in the file outside all is still what the last `judge`
        read: it would find the same. None if anything was written, or if nobody answers."""
        if self._judged is None:
            return None
        try:
            async with self._lock, self._bounded():
                seen, at = await _snapshot(await self._connected())
        except UNANSWERED:
            return None
        return at if (seen, self._heads.read()) == self._judged else None

    async def judge_clients(self, logs: Sequence[Path]) -> Finding:
        """What clients were told, by their logs. Raises what the database raises."""
        async with self._lock, self._bounded():
            return await judge_logs(await self._connected(), logs)

    async def seal(self) -> Seal | None:
        """Add a link over what was written since the last one, and keep it outside the database;
        None when there was nothing to seal. Raises what the database raises."""
        async with self._lock, self._bounded():
            connection = await self._connected()
            seen, _ = await _snapshot(connection)
            link = None if seen == self._sealed else await seal(connection)
        self._sealed = "" if link else seen
        if link is not None:
            self._heads.keep(link.server, create=link.is_first, n=link.n, digest=link.digest)
        return link

    async def adopt_head(self) -> None:
        """Keep the newest link as the head outside, whatever was kept there: for a folder that was
        lost, or another machine. Raises what the database raises."""
        async with self._lock, self._bounded():
            link = await newest(await self._connected())
        if link is not None:
            self._heads.put_aside()
            self._heads.keep(link.server, n=link.n, digest=link.digest)

    async def scrub(self, scrubber: Scrubber) -> Slice:
        """Read the scrubber's next slice. Raises what the database raises."""
        async with self._lock, self._bounded():
            return await scrubber.turn(await self._connected(), self._heads)

    @contextlib.asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Give up a connection that has not answered for as long as a full read may take."""
        try:
            async with asyncio.timeout(CONNECT_S + 2 * self._timeouts.full_s):
                yield
        except UNANSWERED:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection without waiting for a server that may be gone."""
        for each in (self._connection, *self._beside):
            if each is not None:
                each.terminate()
        self._connection = self._judged = None
        self._beside, self._sealed = [], ""

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._opened()
        there = [each for each in self._beside if not each.is_closed()]
        self._beside = there + [await self._opened() for _ in range(self._more - len(there))]
        return self._connection

    async def _opened(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_S,
            max_cacheable_statement_size=0,  # that of many promises is long, and used again
            server_settings={
                "application_name": "valerix-proof",
                "default_transaction_read_only": "on",
            },
        )


async def _snapshot(connection: asyncpg.Connection) -> tuple[str, datetime]:
    """What can be seen now, and the time. The same name again sees the same: it says which
    transactions have ended, and none becomes undone."""
    row = await connection.fetchrow("SELECT pg_current_snapshot()::text AS seen, now() AS at")
    return row["seen"], row["at"]


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.InvalidSchemaNameError):
        return f"the schema is missing: {error}"
    if isinstance(error, asyncpg.QueryCanceledError):
        return "the database took too long to find what has changed"
    lines = str(error).splitlines()
    return f"no database: {lines[0] if lines else type(error).__name__}"
