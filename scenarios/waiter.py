"""Observes the shop all through an act, and says whether a condition holds now."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec.structs import replace

from scenarios.condition_model import Condition
from scenarios.conditions import ConditionCheck, Observation, checks
from scenarios.model import given_fields
from scenarios.observer import Crowd, Observer
from scenarios.recording import Recording

log = logging.getLogger(__name__)

OBSERVE_EVERY_S = 0.5


class Waiter:
    """Keeps the latest observation and the recording of all of them. `crowd` counts what the act's
    customers and payers were answered, as it stands at each observation."""

    def __init__(
        self,
        observer: Observer,
        crowd: Crowd,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._observer, self._crowd = observer, crowd
        self._clock, self._sleep = clock, sleep
        self._observed = asyncio.Event()
        self._judging: asyncio.Task[None] | None = None
        self.recording = Recording()
        self.latest: Observation | None = None

    async def run(self, after_each: Callable[[], Awaitable[None]]) -> None:
        """Observe until cancelled; `after_each` runs after every observation."""
        while True:
            try:
                self.latest = await self._observer.observe(self._crowd)
            except Exception:  # the act goes on without this observation; its limits still hold
                log.exception("the shop could not be observed")
                self.latest = Observation(self._clock())
            self.recording.add(self.latest)
            self._observed.set()
            self._observed.clear()
            await after_each()
            await self._sleep(OBSERVE_EVERY_S)

    async def next(self) -> Observation:
        """The observation after the latest one."""
        await self._observed.wait()
        return self.latest or Observation(self._clock())

    def request_verdict(self) -> None:
        """Have the promises judged while a condition waits for that: the proof's own pace is for a
        panel that is open all day. One verdict at a time, and a pause as long as each took."""
        if self._judging is None or self._judging.done():
            self._judging = asyncio.create_task(self._judge(), name="act: judging")

    async def _judge(self) -> None:
        began = self._clock()
        await self._observer.judge()
        await self._sleep((self._clock() - began).total_seconds())

    def watch(self, condition: Condition) -> "WatchedCondition":
        """A condition about the time from now on."""
        return WatchedCondition(self, condition)


class WatchedCondition:
    """A condition that is checked again and again. A verdict on the promises counts only if it is
    younger than this object: one from before the fault would still say that all is well."""

    def __init__(self, waiter: Waiter, condition: Condition) -> None:
        self._waiter, self._condition = waiter, condition
        self._about_promises = "promises" in dict(given_fields(condition))
        self._since: datetime | None = None
        self.is_judged = not self._about_promises

    async def check(self) -> tuple[ConditionCheck, ...]:
        """The condition in the next observation."""
        observation = await self._waiter.next()
        if self._about_promises:
            self._waiter.request_verdict()
            # The database's clock, because the verdict carries its time.
            if self._since is None and observation.counts is not None:
                self._since = observation.counts.at
            self.is_judged = (
                self._since is not None
                and observation.judged_at is not None
                and observation.judged_at >= self._since
                and observation.promises != "unknown"
            )
            if not self.is_judged:
                observation = replace(observation, promises="unknown", which=())
        return checks(self._condition, observation)
