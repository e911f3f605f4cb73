"""What it costs to be watched: browsers with the overview open while others place orders."""

import asyncio
import random
import re
import time
from typing import Any

import aiohttp

from bench import clients
from bench.shops import Shop

_PANEL = re.compile(r'hx-get="(/panels/[^"]+)" hx-trigger="([^"]+)"')
_PANELS_EVERY_S, _CHARTS_EVERY_S = 5.0, 2.0
# As long as a person may look before somebody places the orders that are measured.
_SETTLE_S = 8.0


class Spectator:
    """What one browser does with the overview open: the page, its stream of nudges, the panels a
    nudge names, all panels every five seconds, and the charts' news every two."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._panels: dict[str, list[str]] = {}

    async def look(self) -> None:
        """Until cancelled."""
        # Six connections an origin, as browsers have it; the stream keeps one of them.
        connector = aiohttp.TCPConnector(limit=6)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.sleep(random.uniform(0, _PANELS_EVERY_S))  # noqa: S311
            page = await self._get(session, "/")
            for panel, trigger in _PANEL.findall(page):
                for topic in re.findall(r"nudge-(\w+)", trigger):
                    self._panels.setdefault(topic, []).append(panel)
            await asyncio.gather(self._listen(session), self._poll(session), self._chart(session))

    async def _get(self, session: aiohttp.ClientSession, path: str) -> str:
        async with session.get(self._url + path) as answer:
            return await answer.text()

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self._url}/events", timeout=_ENDLESS) as stream:
            if stream.status != 200:
                return  # every place is taken: this one only polls
            async for line in stream.content:
                if line.startswith(b"event:"):
                    topic = line[6:].strip().decode()
                    await asyncio.gather(
                        *(self._get(session, each) for each in self._panels.get(topic, []))
                    )

    async def _poll(self, session: aiohttp.ClientSession) -> None:
        every = {panel for panels in self._panels.values() for panel in panels}
        while True:
            await asyncio.sleep(_PANELS_EVERY_S)
            await asyncio.gather(*(self._get(session, panel) for panel in every))
            await self._get(session, "/")  # and one of them reloads

    async def _chart(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(_CHARTS_EVERY_S)
            await self._get(session, f"/charts/data?since={int(time.time()) - 4}")


_ENDLESS = aiohttp.ClientTimeout(total=None)


async def measure(shop: Shop, spectators: int, orders: int) -> dict[str, Any]:
    """Orders per second alone and watched; the overview's time as the server's own clock has it."""
    alone = await clients.shop(shop.urls["order"], 16, orders)
    before = await _server_times(shop.urls["dashboard"])
    watching = [
        asyncio.create_task(Spectator(shop.urls["dashboard"]).look()) for _ in range(spectators)
    ]
    await asyncio.sleep(_SETTLE_S)
    cpu_s, begun = shop.cpu_s_of("dashboard"), time.monotonic()
    watched = await clients.shop(shop.urls["order"], 16, orders)
    busy = (shop.cpu_s_of("dashboard") - cpu_s) / (time.monotonic() - begun)
    failed = [each.exception() for each in watching if each.done()]
    for each in watching:
        each.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    if failed:
        raise RuntimeError(f"{len(failed)} spectators gave up: {failed[0]}")
    after = await _server_times(shop.urls["dashboard"])
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    return {
        "spectators": spectators,
        "alone_per_s": alone.orders_per_s,
        "watched_per_s": watched.orders_per_s,
        "alone_p99_ms": alone.p99_ms,
        "watched_p99_ms": watched.p99_ms,
        "overview_answers": counts[float("inf")],
        "overview_p99_below_s": _p99(counts),
        "dashboard_busy": busy,
    }


async def _server_times(url: str) -> dict[float, float]:
    """The overview's histogram: answers so far within each bound, in seconds."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    found: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith("http_request_duration_seconds_bucket") and 'path="/"' in line:
            bound = re.search(r'le="([^"]+)"', line)
            if bound is not None:
                at = float(bound[1])
                found[at] = found.get(at, 0.0) + float(line.rpartition(" ")[2].split(" # ")[0])
    return found


def _p99(counts: dict[float, float]) -> float:
    """The bound below which 99 of 100 answers were."""
    whole = counts[float("inf")]
    return min(bound for bound, number in counts.items() if number >= 0.99 * whole)
