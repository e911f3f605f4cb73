"""What the services could not send: their own counts of dropped telemetry, asked on demand."""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp

from observatory.metrics.prometheus_text import parse

DROPPED = "valerix_telemetry_dropped"
# Only while somebody looks at traces or logs: a page of metrics is not free for who writes it.
READ_EVERY_S = 5.0
_DEADLINE_S = 1.5
# A page of metrics is some 50 KiB; more than this is a fault, not telemetry.
_LARGEST_PAGE = 4 << 20


class DroppedCounts:
    """Counts by service key. Reading never waits: it is what was said last."""

    def __init__(
        self, urls: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._urls = urls
        self._clock = clock
        self._said: dict[str, int] = {}
        self._asked_at: float | None = None
        self._asking: asyncio.Task[None] | None = None

    def now(self) -> dict[str, int]:
        """Spans and lines lost since each service's start; asks again where that is old."""
        old = self._asked_at is None or self._clock() - self._asked_at >= READ_EVERY_S
        if old and (self._asking is None or self._asking.done()):
            self._asked_at = self._clock()
            self._asking = asyncio.create_task(self._ask_all(), name="ask for drops")
        return dict(self._said)

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask_all(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._ask(session, service) for service in self._urls))

    async def _ask(self, session: aiohttp.ClientSession, service: str) -> None:
        try:
            async with session.get(f"{self._urls[service]}/metrics") as response:
                page = await response.content.read(_LARGEST_PAGE)
                while not response.content.at_eof() and len(page) < _LARGEST_PAGE:
                    page += await response.content.read(_LARGEST_PAGE)
        except (aiohttp.ClientError, OSError, TimeoutError):
            # What it said before still happened; that it is silent now is said by its light.
            return
        found = parse(page.decode("utf-8", "replace"), frozenset({DROPPED}))
        if found:
            self._said[service] = int(sum(found.values()))
