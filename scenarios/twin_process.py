"""The process of an unsafe twin beside an act: begun with it, over with it, and gone if we die.

A room above this one has the twins, so one is met as a process: lines of JSON (twins/serve.py)."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process

import msgspec
from msgspec import Struct

from scenarios.failures import ActionFailed

# It counts for the last time, and stops a PostgreSQL and its services in order, which takes longer
# on a busy machine.
_STOP_S = 90.0
_LONGEST_LINE = 1 << 20


class ShopFigures(Struct, frozen=True):
    """What came of one shop: purchases that are not over, charged twice, charged for nothing; units
    that nobody can buy and nobody has."""

    orders: int
    payments: int
    stuck: int
    charged_twice: int
    charged_without_goods: int
    units_leaked: int


class TwinFigures(Struct, frozen=True):
    """Ours and the twin's, of the time since the twin began."""

    ours: ShopFigures
    theirs: ShopFigures


class _Line(Struct, frozen=True):
    urls: dict[str, str] | None = None
    why: str = ""
    ours: ShopFigures | None = None
    theirs: ShopFigures | None = None


class TwinProcess:
    """One twin, compared with the shop whose database is at `beside`."""

    def __init__(self, name: str, beside: str) -> None:
        self.name, self._beside = name, beside
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[dict[str, str]] | None = None
        self.figures: TwinFigures | None = None

    async def start(self) -> None:
        """Begin it; `ready` says when it takes requests."""
        self._ready = asyncio.get_running_loop().create_future()
        # Ctrl-C at a terminal is the act's; the act then ends the twin.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "twins.serve", self.name,
            stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE, start_new_session=True,
        )  # fmt: skip
        if self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode({"beside": self._beside}) + b"\n")
        self._reading = asyncio.create_task(self._read(self._process), name="twin")

    async def ready(self) -> dict[str, str]:
        """Where its processes are, by key; raises `ActionFailed`."""
        if self._ready is None:
            raise ActionFailed("the twin was not begun")
        return await asyncio.shield(self._ready)

    async def stop(self) -> None:
        """End it, and return once it is gone with all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, process: Process) -> None:
        ready, why = self._ready, ""
        try:
            while process.stdout is not None and (line := await process.stdout.readline()):
                with contextlib.suppress(msgspec.MsgspecError):
                    read = msgspec.json.decode(line, type=_Line)
                    why = read.why or why
                    if read.urls is not None and ready is not None and not ready.done():
                        ready.set_result(read.urls)
                    if read.ours is not None and read.theirs is not None:
                        self.figures = TwinFigures(read.ours, read.theirs)
        finally:
            if ready is not None and not ready.done():
                ready.set_exception(ActionFailed(f"the twin did not start: {why or 'it ended'}"))
                ready.exception()  # nobody may have asked yet
