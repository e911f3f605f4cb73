"""Metrics without Prometheus: each service's page, scraped every two seconds, or every fourteen
while nobody looks and the service has nothing to do."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from math import inf

import aiohttp

from observatory.metrics.counter_window import Scrape
from observatory.metrics.history import BUCKET, Exemplar
from observatory.metrics.prometheus_text import Series, parse, parse_exemplars
from observatory.sla import WINDOW_S
from observatory.sources.counters import FAMILIES, STILL, Counters
from observatory.sources.down import Down
from observatory.sources.poller import Poller

# OBSERVABILITY: a window of 30 s needs a sample at least every 5 s where something is counted.
SCRAPE_EVERY_S = 2.0
# A page of metrics has some 50 KiB; a larger one is a fault.
_LARGEST_PAGE = 4 << 20
# Only this format carries exemplars; a service that cannot write it sends the older one.
_ACCEPT = {"Accept": "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"}


class EmbeddedMetrics(Counters):
    """A `MetricsSource` in this process's own memory."""

    def __init__(
        self,
        urls: Mapping[str, str],
        changed: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        window_s: float = WINDOW_S,
        every_s: float = SCRAPE_EVERY_S,
        is_watched: Callable[[], bool] = lambda: True,
    ) -> None:
        # Readings are timed by a clock that never jumps; charts and gremlins use the wall clock.
        self._began = time.time()
        super().__init__(urls, clock, epoch=self._began - clock(), window_s=window_s)
        self._urls = urls
        self._anybody_watches = is_watched
        self._woken_at = -inf
        self._session: aiohttp.ClientSession | None = None
        self._pollers = {
            service: Poller(
                "metrics",
                partial(self._scrape, service),
                changed,
                every_s=every_s,
                is_watched=partial(self._is_watched, service),
                still=STILL,
                clock=clock,
            )
            for service in urls
        }

    async def start(self) -> None:
        """Begin to scrape."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        await asyncio.gather(*(poller.start() for poller in self._pollers.values()))

    async def stop(self) -> None:
        """End every loop and close the connections."""
        await asyncio.gather(*(poller.stop() for poller in self._pollers.values()))
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fresh(self) -> None:
        """Scrape now whatever was left alone because nobody looked."""
        await asyncio.gather(*(poller.fresh() for poller in self._pollers.values()))

    def wake(self) -> None:
        """Scrape soon whatever was left alone; called again and again, only after a pause."""
        woken_at, self._woken_at = self._woken_at, self._clock()
        if self._woken_at - woken_at > WINDOW_S:
            for poller in self._pollers.values():
                poller.wake()

    def down(self, service: str) -> Down | None:
        """Why there is no fresh page of this service."""
        newest = self._pollers[service].known()
        return newest if isinstance(newest, Down) else None

    def _is_watched(self, service: str) -> bool:
        traffic = self.traffic(service)
        return self._anybody_watches() or isinstance(traffic, Down) or traffic.requests > 0

    async def _scrape(self, service: str) -> Scrape:
        page = await self._fetch(f"{self._urls[service]}/metrics")
        values: dict[Series, float] = parse(page, FAMILIES)
        at = self._clock()
        scrape = self.take(service, at, values, rested=self._pollers[service].rests)
        self.add_exemplars(service, self._exemplars(page, at + self._epoch))
        return scrape

    def _exemplars(self, page: str, seen: float) -> dict[Series, Exemplar]:
        return {
            series: Exemplar(seen if at is None else at, seconds, trace_id, seen)
            for series, (trace_id, seconds, at) in parse_exemplars(page, BUCKET).items()
            # The trace of an older one is not in this process's memory.
            if at is None or at >= self._began
        }

    async def _fetch(self, url: str) -> str:
        if self._session is None:
            raise RuntimeError("not started")
        async with self._session.get(url, headers=_ACCEPT) as response:
            response.raise_for_status()
            page = await response.content.read(_LARGEST_PAGE)
            while not response.content.at_eof():
                page += await response.content.read(_LARGEST_PAGE)
                if len(page) > _LARGEST_PAGE:
                    raise ValueError("the page of metrics is too large")
        return page.decode("utf-8", "replace")
