"""Metrics without Prometheus: each service's page, scraped every two seconds into a ring."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import aiohttp

from frontend.observatory import ring
from frontend.observatory.exposition import Series, parse, parse_exemplars
from frontend.observatory.history import BUCKET, Exemplar, History, Point
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
FAMILIES = frozenset({ring.SUM, ring.COUNT, ring.REQUESTS, _STOCK, _BITES, BUCKET})
# Only this format carries exemplars; a service that cannot write it answers in the older one.
_ACCEPT = {"Accept": "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"}


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
        # The rings keep time that never jumps; charts and gremlins have the wall clock's.
        self._began = time.time()
        self._epoch = self._began - clock()
        self._rings = {service: Ring() for service in urls}
        self._histories = {service: History() for service in urls}
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

    def points(self, service: str, moments: Sequence[float]) -> list[Point]:
        """The service at each moment; seconds since the epoch."""
        history = self._histories[service]
        return [history.point(moment - self._epoch) for moment in moments]

    def exemplars(self, service: str, since: float, until: float) -> list[Exemplar]:
        """Requests with a trace that became known after `since`, up to `until`."""
        return self._histories[service].exemplars(since, until)

    def failures(self, service: str, since: float, until: float) -> float:
        """Failed answers between two moments."""
        return self._histories[service].failures(since - self._epoch, until - self._epoch)

    async def _scrape(self, service: str) -> Scrape:
        page = await self._fetch(f"{self._urls[service]}/metrics")
        values: dict[Series, float] = parse(page, FAMILIES)
        at = self._clock()
        # Fifteen minutes of every bucket would be tens of megabytes; the history folds them.
        kept = {series: value for series, value in values.items() if series.name != BUCKET}
        scrape = Scrape(at, kept)
        self._rings[service].add(scrape)
        self._histories[service].add(at, values)
        self._histories[service].learn(self._exemplars(page, at + self._epoch))
        return scrape

    def _exemplars(self, page: str, seen: float) -> dict[Series, Exemplar]:
        return {
            series: Exemplar(seen if at is None else at, seconds, trace_id, seen)
            for series, (trace_id, seconds, at) in parse_exemplars(page, BUCKET).items()
            # The trace of an older one is not in this process's memory: it would lead nowhere.
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
