"""One read-only connection, asked for a verdict again and again; it outlives the database."""

import asyncio
from types import TracebackType

import asyncpg

from chassis.settings import Settings
from frontend.proof.evaluate import Report, could_not_judge, evaluate
from frontend.proof.invariant import Limits

CONNECT_S = 5.0
# Everything that can go wrong between two processes and a database; none of it is a violation.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Examiner:
    """`ask` always answers: a database that is down, slow or restarting is `unknown`."""

    def __init__(self, settings: Settings, *, statement_timeout_s: float = 30.0) -> None:
        self._url = settings.database_url
        self._limits = Limits.of(settings)
        self._statement_timeout_s = statement_timeout_s
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "Examiner":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def ask(self) -> Report:
        """The verdict of this moment; opens the connection, and after trouble reopens it."""
        # The server's own timeout comes first; this one is for a server that has gone silent.
        bound_s = CONNECT_S + 2 * self._statement_timeout_s
        try:
            async with self._turn, asyncio.timeout(bound_s):
                connection = await self._connected()
                return await evaluate(
                    connection, self._limits, statement_timeout_s=self._statement_timeout_s
                )
        except AWAY as error:
            await self.close()
            return could_not_judge(_why(error), self._limits)

    async def close(self) -> None:
        """Let go of the connection without waiting for a server that may be gone."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_S,
                server_settings={
                    "application_name": "valerix-proof",
                    "default_transaction_read_only": "on",
                },
            )
        return self._connection


def _why(error: BaseException) -> str:
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.InvalidSchemaNameError):
        return f"the schema is not there: {error}"
    said = str(error).splitlines()
    return f"no database: {said[0] if said else type(error).__name__}"
