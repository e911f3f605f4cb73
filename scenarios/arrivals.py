"""When the act's customers and payers come: all of a number, or so many a second for a time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec import UNSET

from scenarios.model import Coming, seconds

Visit = Callable[[], Coroutine[Any, Any, None]]


class Arrivals:
    """Those of one kind. What is `opened` gives what one of them does, and has the connections that
    it needs for as long as some of them come."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._visits: asyncio.Task[None] | None = None

    async def start(self, coming: Coming, opened: AbstractAsyncContextManager[Visit]) -> None:
        """With `count`, return once each has been served; with `rate`, keep them coming in the
        background, in place of those before."""
        if coming.count is not UNSET:
            async with opened as visit:
                await _fixed_count(coming.count, coming.clients, visit)
        else:
            await self.stop()
            self._visits = asyncio.create_task(self._steady_rate(coming, opened), name="arrivals")

    async def stop(self) -> None:
        """Nobody comes any more; those who wait are cut off."""
        if self._visits is not None:
            self._visits.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._visits
            self._visits = None

    async def _steady_rate(
        self, coming: Coming, opened: AbstractAsyncContextManager[Visit]
    ) -> None:
        clock = asyncio.get_running_loop().time
        rate, last = float(coming.rate or 1), seconds(str(coming.for_))
        began, number, inside = clock(), 0, 0

        def left(_: asyncio.Task[None]) -> None:
            nonlocal inside
            inside -= 1

        async with opened as visit, asyncio.TaskGroup() as visits:
            while (due := number / rate) < last:
                await self._sleep(max(0.0, began + due - clock()))
                number += 1
                # Who finds every place taken leaves: the queue stays bounded.
                if inside < coming.clients:
                    inside += 1
                    visits.create_task(visit()).add_done_callback(left)


async def _fixed_count(count: int, at_once: int, visit: Visit) -> None:
    places = asyncio.Semaphore(at_once)
    async with asyncio.TaskGroup() as crowd:
        for _ in range(count):
            await places.acquire()
            crowd.create_task(visit()).add_done_callback(lambda _: places.release())
