"""Looks at the shop all through an act, and answers whether a condition holds now."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from scenarios.conditions import ConditionCheck, Observation, checks
from scenarios.model import Condition, given_fields
from scenarios.observer import Sight
from scenarios.recording import Recording

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Waiter:
    """`told` is what the act's customers were told, as it stands at each look."""

    def __init__(
        self,
        sight: Sight,
        told: Mapping[str, int],
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._sight, self._told, self._clock, self._sleep = sight, told, clock, sleep
        self._looked = asyncio.Event()
        self._judging: asyncio.Task[None] | None = None
        self.journal = Recording()
        self.seen: Observation | None = None

    async def run(self, between: Callable[[], Awaitable[None]]) -> None:
        """Look for ever; `between` is done after every look."""
        while True:
            try:
                self.seen = await self._sight.look(self._told)
            except Exception:  # an act that cannot see goes on, and its limits still hold
                log.exception("a look failed")
                self.seen = Observation(self._clock())
            self.journal.note(self.seen)
            self._looked.set()
            self._looked.clear()
            await between()
            await self._sleep(LOOK_EVERY_S)

    async def next(self) -> Observation:
        """The look after this one."""
        await self._looked.wait()
        return self.seen or Observation(self._clock())

    def want_verdict(self) -> None:
        """Have the promises judged while somebody waits for that: the proof's own pace is for a
        panel that is open all day. One verdict at a time, and a pause as long as each took."""
        if self._judging is None or self._judging.done():
            self._judging = asyncio.create_task(self._judge(), name="act: judging")

    async def _judge(self) -> None:
        began = self._clock()
        await self._sight.judge()
        await self._sleep((self._clock() - began).total_seconds())

    def ask(self, condition: Condition) -> "WatchedCondition":
        """A condition about the time from now on."""
        return WatchedCondition(self, condition)


class WatchedCondition:
    """A condition that is asked again and again. A verdict on the promises counts only if it is
    younger than the question: the one from before the fault would still say that all is well."""

    def __init__(self, lookout: Waiter, condition: Condition) -> None:
        self._lookout, self._condition = lookout, condition
        self._about_promises = "promises" in dict(given_fields(condition))
        self._since: datetime | None = None
        self.is_judged = not self._about_promises

    async def answer(self) -> tuple[ConditionCheck, ...]:
        """The condition in the next look."""
        seen = await self._lookout.next()
        if self._about_promises:
            self._lookout.want_verdict()
            # The database's clock, because the verdict carries its time.
            if self._since is None and seen.books is not None:
                self._since = seen.books.at
            self.is_judged = (
                self._since is not None
                and seen.judged_at is not None
                and seen.judged_at >= self._since
                and seen.promises != "unknown"
            )
            if not self.is_judged:
                seen = replace(seen, promises="unknown")
        return checks(self._condition, seen)
