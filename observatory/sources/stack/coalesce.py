"""Coalesces equal reads within a moment: two hundred tabs make one query."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

# Just under the pace of the nudges, so that each of them finds something new.
KEEP_S = 1.8
# Different keys at once; one more replaces the oldest.
_MOST = 64


class Coalesce(Generic[T]):
    """Results kept for a moment, by key. A caller that comes while one is fetched waits for it."""

    def __init__(
        self,
        *,
        keep_s: float = KEEP_S,
        most: int = _MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep_s, self._most, self._clock = keep_s, most, clock
        self._tasks: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}

    async def get(self, key: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """The current result of `key`; `fetch` is called for the first caller only."""
        found = self._tasks.get(key)
        if found is None or (found[1].done() and self._clock() - found[0] > self._keep_s):
            self._make_room()
            task = asyncio.ensure_future(fetch())
            # No caller may be waiting any more when it fails.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            found = self._tasks[key] = (self._clock(), task)
        # A caller that is cancelled must not cancel it for the others.
        return await asyncio.shield(found[1])

    async def close(self) -> None:
        """Cancel what is being fetched."""
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def _make_room(self) -> None:
        now = self._clock()
        for key, (at, task) in list(self._tasks.items()):
            if task.done() and now - at > self._keep_s:
                del self._tasks[key]
        while len(self._tasks) >= self._most:
            # Whoever waits for it still gets its result.
            del self._tasks[next(iter(self._tasks))]
