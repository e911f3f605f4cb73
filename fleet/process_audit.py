"""Lines of the operators' audit log about processes.

They are written where processes are stopped: a page, a command and an act that ask for it are in it
alike."""

import asyncio
from typing import Literal

import asyncpg

from chassis.database.errors import UNANSWERED
from fleet.client import ControlRequest, RequestRefused

_LIMIT_S = 10.0
_WRITE = """
INSERT INTO dashboard.operations (what, action, actor, detail, process, about)
VALUES ('process', $1, $2, $3, $4, $5) RETURNING id"""


class DatabaseAudit:
    """In the shop's database, over a connection of its own each time."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def begin(self, request: ControlRequest) -> int:
        """Before it is stopped; the line's id. `RequestRefused` where it is not written."""
        action = "killed" if request.verb == "kill" else "restarted"
        detail = f"away for {request.away_s:g} s" if request.away_s else ""
        return self._run(action, request, detail, None)

    def end(
        self, line: int, request: ControlRequest, action: Literal["back", "lost"], detail: str
    ) -> None:
        """What came of it. `RequestRefused` where it is not written."""
        self._run(action, request, detail, line)

    def _run(self, action: str, request: ControlRequest, detail: str, about: int | None) -> int:
        try:
            return asyncio.run(self._written_in_time(action, request, detail, about))
        except UNANSWERED as error:
            why = str(error) or type(error).__name__
            raise RequestRefused(f"the audit log cannot be written ({why})") from None

    async def _written_in_time(
        self, action: str, request: ControlRequest, detail: str, about: int | None
    ) -> int:
        async with asyncio.timeout(_LIMIT_S):
            return await self._write(action, request, detail, about)

    async def _write(
        self, action: str, request: ControlRequest, detail: str, about: int | None
    ) -> int:
        connection = await asyncpg.connect(self._database_url)
        try:
            line: int = await connection.fetchval(
                _WRITE, action, request.actor[:80] or "api", detail[:400], request.process, about
            )
        finally:
            await connection.close(timeout=1)
        return line
