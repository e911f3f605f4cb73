"""Metrics without Prometheus: each service's page, scraped every two seconds into a ring."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial

import aiohttp

from frontend.observatory import ring
from frontend.observatory.exposition import Series, parse
from frontend.observatory.ring import Ring, Scrape, Traffic
from frontend.sources.feed import Feed
from frontend.views import Down

# OBSERVABILITY: a window of 30 s needs a sample at least every 5 s.
SCRAPE_EVERY_S = 2.0
WINDOW_S = 30.0
# A page of metrics is some 50 KiB; more than this is a fault, not telemetry.
_LARGEST_PAGE = 4 << 20
_STOCK = "valerix_stock_units"
_BITES = "valerix_gremlin_bites_total"
FAMILIES = frozenset({ring.SUM, ring.COUNT, ring.REQUESTS, _STOCK, _BITES})


class Embedded:
    """A `Source` in this process's own memory."""

    def __init__(
        self,
        urls: Mapping[str, str],
        changed: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._urls = urls
        self._clock = clock
        self._rings = {service: Ring() for service in urls}
        self._session: aiohttp.ClientSession | None = None
        self._feeds = {
            service: Feed(
                "metrics",
                partial(self._scrape, service),
                changed,
                every_s=SCRAPE_EVERY_S,
                still="Orders go on; only the measuring is missing.",
                clock=clock,
            )
            for service in urls
        }

    async def start(self) -> None:
        """Begin to scrape."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        await asyncio.gather(*(feed.start() for feed in self._feeds.values()))

    async def stop(self) -> None:
        """End every loop and close the connections."""
        await asyncio.gather(*(feed.stop() for feed in self._feeds.values()))
        if self._session is not None:
            await self._session.close()
            self._session = None

    def traffic(self, service: str) -> Traffic | Down:
        """Business requests of the last thirty seconds."""
        scrape = self._feeds[service].now()
        if isinstance(scrape, Down):
            return scrape
        return self._rings[service].traffic(self._clock(), WINDOW_S)

    def stock(self) -> dict[str, dict[str, int]] | Down:
        """Units by product and state, as the inventory service last said."""
        scrape = self._feeds["inventory"].now()
        if isinstance(scrape, Down):
            return scrape
        units: dict[str, dict[str, int]] = {}
        for series, value in scrape.values.items():
            if series.name == _STOCK:
                units.setdefault(series.label("product"), {})[series.label("state")] = int(value)
        return units

    def bites(self, service: str) -> dict[str, int]:
        """Bites by gremlin name since the process started."""
        scrape = self._feeds[service].now()
        if isinstance(scrape, Down):
            return {}
        return {
            series.label("gremlin"): int(value)
            for series, value in scrape.values.items()
            if series.name == _BITES
        }

    async def _scrape(self, service: str) -> Scrape:
        if self._session is None:
            raise RuntimeError("not started")
        async with self._session.get(f"{self._urls[service]}/metrics") as response:
            response.raise_for_status()
            page = await response.content.read(_LARGEST_PAGE)
            while not response.content.at_eof():
                page += await response.content.read(_LARGEST_PAGE)
                if len(page) > _LARGEST_PAGE:
                    raise ValueError("the page of metrics is too large")
        values: dict[Series, float] = parse(page.decode("utf-8", "replace"), FAMILIES)
        scrape = Scrape(self._clock(), values)
        self._rings[service].add(scrape)
        return scrape
