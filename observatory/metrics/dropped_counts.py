"""How much telemetry the services could not send: their own counts, read on demand."""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp

from observatory.metrics.prometheus_text import parse

DROPPED = "valerix_telemetry_dropped"
# Only while somebody looks at traces or logs: writing a page of metrics costs a service something.
READ_EVERY_S = 5.0
_DEADLINE_S = 1.5
# A page of metrics has some 50 KiB; a larger one is a fault.
_LARGEST_PAGE = 4 << 20


class DroppedCounts:
    """Counts by service key. `now` never waits: it returns what was read last."""

    def __init__(
        self, urls: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._urls = urls
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    def now(self) -> dict[str, int]:
        """Spans and lines lost since each service's start; reads them again if they are old."""
        old = self._read_at is None or self._clock() - self._read_at >= READ_EVERY_S
        if old and (self._reading is None or self._reading.done()):
            self._read_at = self._clock()
            self._reading = asyncio.create_task(self._read_all(), name="read dropped counts")
        return dict(self._counts)

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_all(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._read(session, service) for service in self._urls))

    async def _read(self, session: aiohttp.ClientSession, service: str) -> None:
        try:
            async with session.get(f"{self._urls[service]}/metrics") as response:
                page = await response.content.read(_LARGEST_PAGE)
                while not response.content.at_eof() and len(page) < _LARGEST_PAGE:
                    page += await response.content.read(_LARGEST_PAGE)
        except (aiohttp.ClientError, OSError, TimeoutError):
            # The last counts are still true; its light shows that it does not respond.
            return
        found = parse(page.decode("utf-8", "replace"), frozenset({DROPPED}))
        if found:
            self._counts[service] = int(sum(found.values()))
