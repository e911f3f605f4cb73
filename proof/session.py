"""One connection that asks for a verdict again and again; it outlives the database."""

import asyncio
from types import TracebackType

import asyncpg

from proof.evaluate import ProofStep, Report, StatementTimeouts, could_not_judge, prove
from proof.invariant import Limits
from proof.settings import ProofSettings

CONNECT_S = 5.0
# A statement that reads all of history may take so many times as long as one about a few orders.
_ALL = 20
# Everything that can go wrong between two processes and a database; none of it is a violation.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class ProofSession:
    """`ask` always answers: a database that is down, slow or restarting is `unknown`."""

    def __init__(self, settings: ProofSettings, *, statement_timeout_s: float = 30.0) -> None:
        self._url = settings.database_url
        self._limits = Limits.of(settings)
        self._patience = StatementTimeouts(statement_timeout_s, _ALL * statement_timeout_s)
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        # What it is at, while it is being asked.
        self.doing: ProofStep | None = None

    async def __aenter__(self) -> "ProofSession":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def ask(self, *, whole: bool = False) -> Report:
        """The verdict of this moment; opens the connection, and after trouble reopens it.

        `whole` reads the history from its first order instead of building on the last proof."""
        patience = self._patience

        def step(next_: ProofStep) -> None:
            self.doing = next_
            limit.reschedule(asyncio.get_running_loop().time() + 2 * next_.allowed_s)

        # The server's own timeout comes first; this one is for a server that has gone silent.
        bound_s = CONNECT_S + 2 * patience.few_s
        try:
            async with self._turn, asyncio.timeout(bound_s) as limit:
                connection = await self._connected()
                return await prove(
                    connection, self._limits, whole=whole, patience=patience, step=step
                )
        except AWAY as error:
            await self.close()
            return could_not_judge(_why(error), self._limits)
        finally:
            self.doing = None

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
    if isinstance(error, asyncpg.QueryCanceledError):
        return "the database took too long to say what has changed"
    said = str(error).splitlines()
    return f"no database: {said[0] if said else type(error).__name__}"
