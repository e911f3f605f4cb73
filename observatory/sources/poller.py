"""Reads something again and again: the last result, its age, and since when reading fails."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from chassis.telemetry.context import INTERNAL, span_now
from chassis.telemetry.recording import begin
from observatory.sources.down import Down

T = TypeVar("T")
log = logging.getLogger(__name__)

# Three missed polls: a result older than this is no longer shown as if it were fresh.
STALE_S = 6.0
# Nobody sees how old a result is then: the first page waits for another (`fresh`). Two readings
# are in the half minute of the lights.
_UNWATCHED_EVERY_S = 14.0
_NOT_YET = "Not read yet"


class SourceError(Exception):
    """Why a source cannot be read; the message is for the page and contains no address."""


class Poller(Generic[T]):
    """Polls `read`; calls `changed` with the topic when the result differs from the last one.

    While `is_watched` says that nobody is told, and nobody asks, it reads every few seconds, unless
    `stands` says of the last result that it would read the same."""

    def __init__(
        self,
        topic: str,
        read: Callable[[], Awaitable[T]],
        changed: Callable[[str], None],
        *,
        every_s: float,
        deadline_s: float = 1.5,
        stale_s: float = STALE_S,
        still: str = "",
        is_watched: Callable[[], bool] = lambda: True,
        stands: Callable[[T], Awaitable[bool]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic = topic
        self._read = read
        self._changed = changed
        self._every_s, self._deadline_s, self._stale_s = every_s, deadline_s, stale_s
        self._still = still
        self._clock = clock
        self._is_watched, self._stands = is_watched, stands
        self._asked = asyncio.Event()
        # For how much longer than usual it has not read, since nobody looked.
        self._rested_s = 0.0
        self._has_read = asyncio.Event()
        self._result: T | None = None
        self._at: float | None = None
        self._seen = datetime.now(UTC)
        self._reason = _NOT_YET
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def now(self) -> T | Down:
        """The last result while it is fresh, otherwise why there is none."""
        self._asked.set()
        return self.known()

    def known(self) -> T | Down:
        """As `now`, for whoever looks all the time, and does not wait for the next result."""
        if self._result is not None and self._at is not None:
            age_s = self._clock() - self._at
            if age_s <= self._stale_s + self._rested_s:
                return self._result
        return Down(self._reason, self._seen, self._still)

    @property
    def last(self) -> T | None:
        """The last result, however old; None before the first."""
        return self._result

    @property
    def has_polled(self) -> bool:
        """Whether there is a first result or a first failure."""
        return self._at is not None or self._reason != _NOT_YET

    async def refresh(self) -> None:
        """Read now, without waiting for the next poll; never raises."""
        async with self._reading:
            before = self.known()
            try:
                async with asyncio.timeout(self._deadline_s):
                    result = await self._read()
            except Exception as error:
                self._reason = reason_of(error)
                log.debug("reading %s failed", self.topic, exc_info=True)
            else:
                self._result, self._at = result, self._clock()
                self._seen = datetime.now(UTC)
            self._rested_s = 0.0
            self._has_read.set()
            if self.known() != before:
                self._changed(self.topic)

    def wake(self) -> None:
        """Read soon, though nobody looks."""
        self._asked.set()

    async def fresh(self) -> None:
        """Wait for a new result, where the last one is older because nobody looked."""
        if self.rests:
            self.wake()
            await self._has_read.wait()

    @property
    def rests(self) -> bool:
        """Whether it did not read for longer than usual, since nobody looked."""
        return self._rested_s > 0

    async def start(self) -> None:
        """Begin to poll."""
        self._task = asyncio.create_task(self._run(), name=f"poll {self.topic}")

    async def stop(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        stop_sampling()
        while True:
            started = self._clock()
            is_asked = self._asked.is_set()
            self._asked.clear()
            if is_asked or self._is_watched() or not await self._stood():
                await self.refresh()
            await asyncio.sleep(max(0.1, self._every_s - (self._clock() - started)))
            if not self._is_watched():
                self._rested_s = max(0.0, _UNWATCHED_EVERY_S - self._every_s)
                self._has_read.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._rested_s):
                        await self._asked.wait()

    async def _stood(self) -> bool:
        """Whether the last result stands, and is as good as a new one."""
        last = self.known()
        if self._stands is None or isinstance(last, Down):
            return False
        try:
            async with asyncio.timeout(self._deadline_s):
                if not await self._stands(last):
                    return False
        except TimeoutError:
            return False
        self._at, self._seen = self._clock(), datetime.now(UTC)
        return True


def stop_sampling() -> None:
    """Spans made from here on are not sampled: polling is no part of an order's trace."""
    work = begin("watch", INTERNAL)
    work.sampled = False
    span_now.set(work)


def reason_of(error: Exception) -> str:
    """Why a source failed, as the page shows it; never a message that contains an address."""
    if isinstance(error, TimeoutError):
        return "No response in time"
    if isinstance(error, SourceError):
        return str(error)
    names = {
        "DatabaseDown": "The database cannot be reached",
        "DatabaseBusy": "The database is busy",
        "CommitUnknown": "The database went away",
        "ClientConnectorError": "It is not running",
        "ClientResponseError": "It responds with an error",
    }
    return names.get(type(error).__name__, "It does not respond properly")
