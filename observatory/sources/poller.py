"""One question, asked again and again: its last answer, its age, and since when it fails."""

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

# Three missed questions: older than this, an answer is no longer shown as if it were fresh.
STALE_S = 6.0


class SourceError(Exception):
    """Why a source has no answer; the message is for the page and holds no address."""


class Poller(Generic[T]):
    """Polls `ask`; `changed` is called with the topic when the answer differs from the last one."""

    def __init__(
        self,
        topic: str,
        ask: Callable[[], Awaitable[T]],
        changed: Callable[[str], None],
        *,
        every_s: float,
        deadline_s: float = 1.5,
        stale_s: float = STALE_S,
        still: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic = topic
        self._ask = ask
        self._changed = changed
        self._every_s, self._deadline_s, self._stale_s = every_s, deadline_s, stale_s
        self._still = still
        self._clock = clock
        self._answer: T | None = None
        self._at: float | None = None
        self._seen = datetime.now(UTC)
        self._reason = "Not asked yet"
        self._asking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def now(self) -> T | Down:
        """The last answer while it is fresh, otherwise why there is none."""
        if self._answer is not None and self._at is not None:
            age_s = self._clock() - self._at
            if age_s <= self._stale_s:
                return self._answer
        return Down(self._reason, self._seen, self._still)

    @property
    def asked(self) -> bool:
        """Whether a first answer or a first failure is in."""
        return self._at is not None or self._reason != "Not asked yet"

    async def refresh(self) -> None:
        """Ask now, without waiting for the next turn; never raises."""
        async with self._asking:
            before = self.now()
            try:
                async with asyncio.timeout(self._deadline_s):
                    answer = await self._ask()
            except Exception as error:
                self._reason = reason_of(error)
                log.debug("%s feed failed", self.topic, exc_info=True)
            else:
                self._answer, self._at = answer, self._clock()
                self._seen = datetime.now(UTC)
            if self.now() != before:
                self._changed(self.topic)

    async def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._run(), name=f"feed {self.topic}")

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        stop_sampling()
        while True:
            started = self._clock()
            await self.refresh()
            await asyncio.sleep(max(0.1, self._every_s - (self._clock() - started)))


def stop_sampling() -> None:
    """Watching is not part of the shop's story: spans made below are not sampled."""
    work = begin("watch", INTERNAL)
    work.sampled = False
    span_now.set(work)


def reason_of(error: Exception) -> str:
    """Why a source failed, in words for the page; never a message with an address in it."""
    if isinstance(error, TimeoutError):
        return "No answer in time"
    if isinstance(error, SourceError):
        return str(error)
    names = {
        "DatabaseDown": "The database cannot be reached",
        "DatabaseBusy": "The database is busy",
        "CommitUnknown": "The database went away",
        "ClientConnectorError": "Nothing listens there",
        "ClientResponseError": "It answers with an error",
    }
    return names.get(type(error).__name__, "It does not answer properly")
