"""Where a process can die: before a row is written, after it, and after the commit."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from chassis.database.pool import Connection, Database, Statement
from chassis.http import app
from tests.chaos.faults import Dice

# The last one seals what came into a wallet.
_WRITES = ("INSERT", "UPDATE", "WITH", "SELECT CASE WHEN pg_try_advisory_xact_lock")


class Crash(BaseException):
    """The end of whoever was driving: no handler of exceptions may see it, as none sees kill -9."""


@contextmanager
def crashing(dice: Dice) -> Iterator[None]:
    """Within, every write of every service is a place to die; whoever ran a loop starts again."""
    begin, keep_running = Database.begin, app._keep_running  # noqa: SLF001 - the supervisor of loops

    def written(original: Any) -> Any:
        async def write(self: Connection, query: Statement, **values: Any) -> Any:
            writes = query.sql.startswith(_WRITES)
            if writes and dice.crashes_at(f"before {query.name}"):
                raise Crash
            result = await original(self, query, **values)
            if writes and dice.crashes_at(f"after {query.name}"):
                raise Crash
            return result

        return write

    @asynccontextmanager
    async def crash_after_commit(self: Database, **options: Any) -> AsyncIterator[Connection]:
        async with begin(self, **options) as tx:
            yield tx
        if dice.crashes_at("after commit"):
            raise Crash

    async def restart(loop: Any) -> None:
        while True:
            try:
                return await keep_running(loop)
            except Crash:
                await asyncio.sleep(0.02)

    with (
        patch.object(Connection, "row", written(Connection.row)),
        patch.object(Connection, "rows", written(Connection.rows)),
        patch.object(Connection, "execute", written(Connection.execute)),
        patch.object(Database, "begin", crash_after_commit),
        patch.object(app, "_keep_running", restart),
    ):
        yield
