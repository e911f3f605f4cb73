"""The audience: browsers with the overview open, in a process of their own, as python -m has it."""

import asyncio
import random
import re
import sys
import time

import aiohttp

_PANEL = re.compile(r'hx-get="(/panels/[^"]+)" hx-trigger="([^"]+)"')
_PANELS_EVERY_S, _CHARTS_EVERY_S = 5.0, 2.0


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
        async with session.get(f"{self._url}/nudges", timeout=_ENDLESS) as stream:
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


async def watch(url: str, count: int) -> None:
    """Until the process is ended; a spectator that gives up ends it with the reason."""
    async with asyncio.TaskGroup() as audience:
        for _ in range(count):
            audience.create_task(Spectator(url).look())


if __name__ == "__main__":
    asyncio.run(watch(sys.argv[1], int(sys.argv[2])))
