"""One question for everybody who asks it within a moment: two hundred tabs are one query."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

# Just under the pace of the nudges, so that each of them finds something new.
KEEP_S = 1.8
# Different filters at once; one more takes the place of the oldest.
_MOST = 64


class Coalesce(Generic[T]):
    """Answers kept for a moment, by question. Who comes while one is asked waits for the same."""

    def __init__(
        self,
        *,
        keep_s: float = KEEP_S,
        most: int = _MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep_s, self._most, self._clock = keep_s, most, clock
        self._asked: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}

    async def ask(self, question: Hashable, find_out: Callable[[], Awaitable[T]]) -> T:
        """The answer of this moment; `find_out` is called for the first who asks."""
        found = self._asked.get(question)
        if found is None or (found[1].done() and self._clock() - found[0] > self._keep_s):
            self._make_room()
            task = asyncio.ensure_future(find_out())
            # Nobody may be waiting any more when it fails.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            found = self._asked[question] = (self._clock(), task)
        # A visitor who leaves takes no answer away from the others.
        return await asyncio.shield(found[1])

    async def close(self) -> None:
        """Ask no more."""
        tasks = [task for _, task in self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._asked.clear()

    def _make_room(self) -> None:
        now = self._clock()
        for question, (at, task) in list(self._asked.items()):
            if task.done() and now - at > self._keep_s:
                del self._asked[question]
        while len(self._asked) >= self._most:
            # Whoever waits for it still gets its answer.
            del self._asked[next(iter(self._asked))]
