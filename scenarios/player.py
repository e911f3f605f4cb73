"""Plays an act: walks through its steps, waits for what it should show, and always ends calm."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from chassis.database.pool import CommitUnknown, DatabaseBusy, DatabaseDown
from scenarios import model, progress
from scenarios.condition_model import Condition
from scenarios.conditions import holds, unmet, wanted
from scenarios.descriptions import describe
from scenarios.executor import Executor
from scenarios.failures import ActionFailed, CannotPlay
from scenarios.loader import Scenario
from scenarios.lock import LockTaken, LockUnavailable, ScenarioLock
from scenarios.model import Instruction, Wait, instruction_of, seconds
from scenarios.observer import Observer
from scenarios.progress import Activity, Performance
from scenarios.recording import Outage
from scenarios.summary import summarize
from scenarios.waiter import Waiter

log = logging.getLogger(__name__)

# A service that was killed is back within seconds; a gremlin there runs out by itself anyway.
CALM_WITHIN_S = 30.0
# An assertion about promises waits for a verdict that is younger than what it is about.
_JUDGED_WITHIN_S = 20.0
# After the last step all is settled already; the timeline only has to read it.
_TIMELINE_WITHIN_S = 6.0


class Cue(Protocol):
    """What starts the next step: a key, a button, or a machine that never waits."""

    async def next(self, performance: Performance, /) -> None:
        """Return when the next step may begin."""


class ExpectationMissed(Exception):
    """What should have been seen was not; an unattended act ends here."""


class Player:
    """One performance. `on_change` is called whenever there is something new to show; `strict` ends
    the act at the first missed expectation, where an audience would rather go on."""

    def __init__(
        self,
        scenario: Scenario,
        who: str,
        *,
        executor: Executor,
        observer: Observer,
        lock: ScenarioLock,
        cue: Cue,
        on_change: Callable[[Performance], None],
        strict: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._scenario, self._who, self._strict = scenario, who, strict
        self._executor, self._observer, self._lock, self._cue = executor, observer, lock, cue
        self._on_change, self._clock = on_change, clock
        self._waiter = Waiter(observer, executor, clock=clock, sleep=sleep)
        self._skip = asyncio.Event()
        self._acting: asyncio.Task[None] | None = None
        self._reason = ""
        self._performance: Performance | None = None

    @property
    def performance(self) -> Performance:
        """How far it is; only once it is open."""
        if self._performance is None:
            raise CannotPlay("the act was not opened")
        return self._performance

    async def open(self) -> None:
        """Take the lock and see that the act can be played; raises `CannotPlay`."""
        try:
            await self._lock.__aenter__()
        except LockTaken as taken:
            raise CannotPlay(str(taken)) from None
        except LockUnavailable as error:
            raise CannotPlay(f"the database cannot be reached: {error}") from None
        try:
            await self._executor.prepare(self._scenario)
            await self._observer.prepare(self._scenario)
            await self._observer.begin()
        except BaseException as error:
            await self._executor.close()
            await self._lock.__aexit__(None, None, None)
            if isinstance(error, ActionFailed | DatabaseDown | DatabaseBusy | CommitUnknown):
                raise CannotPlay(str(error)) from None
            raise
        self._show(progress.begin(self._scenario, self._who, self._clock()))

    async def play(self) -> Performance:
        """From the first Next to the end; `open` comes before."""
        observing = asyncio.create_task(self._waiter.run(self._keep_lock), name="act: observing")
        self._acting = asyncio.create_task(self._steps(), name="act: acting")
        if self._reason:
            self._acting.cancel()  # stopped before it began
        try:
            await asyncio.wait([self._acting])
        finally:
            try:
                await self._end(self._acting)
            finally:
                await self._executor.close()
                observing.cancel()
                await asyncio.gather(observing, return_exceptions=True)
                await self._lock.__aexit__(None, None, None)
        return self.performance

    def stop(self, reason: str) -> None:
        """End the act now: calm, and no further step."""
        self._reason = self._reason or reason
        if self._acting is not None:
            self._acting.cancel()

    def skip(self) -> None:
        """Wait no longer for what is being waited for."""
        self._skip.set()

    async def _keep_lock(self) -> None:
        try:
            await self._lock.keep()
        except LockTaken as taken:
            self.stop(f"while the database was away, {taken}")

    async def _steps(self) -> None:
        while self.performance.phase == "waiting":
            await self._cue.next(self.performance)
            self._show(progress.go(self.performance, self._clock()))
            if self.performance.step == 0:
                await self._until_ready()
            for action in self.performance.steps[self.performance.step].do:
                await self._do(instruction_of(action))
            self._show(progress.done(self.performance, self._clock()))

    async def _until_ready(self) -> None:
        """A twin takes its time to start."""
        if isinstance(twin := self._scenario.act.twin, str):
            what = f"the unsafe twin {twin} starts"
            self._show(progress.do(self.performance, Activity(what, self._clock())))
        try:
            await self._executor.ready()
        except ActionFailed as error:
            self._miss(str(error))

    async def _do(self, instruction: Instruction) -> None:
        if not isinstance(instruction, Wait | Condition):
            self._show(
                progress.do(self.performance, Activity(describe(instruction), self._clock()))
            )
        try:
            await self._perform(instruction)
        except ActionFailed as error:
            self._miss(str(error))

    async def _perform(self, instruction: Instruction) -> None:
        match instruction:
            case Wait():
                await self._wait(instruction)
            case Condition():
                await self._expect(instruction)
            case model.Shelf() | model.FillWallet():
                await self._executor.arrange(instruction)
                # What was delivered, sold or paid in preparation is not counted.
                await self._observer.begin()
            case model.Kill() | model.Restart():
                await self._executor.take_down(instruction)
                self._waiter.recording.outages.append(Outage(describe(instruction), self._clock()))
            case model.SetAccount():
                await self._executor.do(instruction)
                if instruction.mode != "happy":
                    self._waiter.recording.accounts.append(describe(instruction))
            case "calm":
                if missing := await self._executor.calm(CALM_WITHIN_S):
                    raise ActionFailed(f"{' and '.join(missing)} did not answer the calm")
            case "stop load":
                await self._executor.stop_load()
            case _:
                await self._executor.do(instruction)

    async def _wait(self, wait: Wait) -> None:
        began, limit_s = self._clock(), seconds(wait.limit)
        watched = self._waiter.watch(wait.until)
        self._skip.clear()
        while True:
            found = await watched.check()
            waited_s = (self._clock() - began).total_seconds()
            self._show(
                progress.do(self.performance, Activity(describe(wait), began, limit_s, found))
            )
            if holds(found):
                self._show(
                    progress.note(self.performance, f"after {waited_s:.1f} s: {wanted(found)}")
                )
                return
            if waited_s >= limit_s:
                self._miss(f"not within {limit_s:g} s: {unmet(found)}")
                return
            if self._skip.is_set():
                text = f"not waited for: {unmet(found)}"
                self._show(progress.note(self.performance, text, "skipped"))
                return

    async def _expect(self, condition: Condition) -> None:
        began, watched = self._clock(), self._waiter.watch(condition)
        activity = Activity(describe(condition), began, _JUDGED_WITHIN_S)
        self._show(progress.do(self.performance, activity))
        found = await watched.check()
        while not watched.is_judged and self._since(began) < _JUDGED_WITHIN_S:
            found = await watched.check()
        if holds(found):
            self._show(progress.note(self.performance, f"as expected: {wanted(found)}"))
        else:
            self._miss(f"expected: {unmet(found)}")

    def _since(self, moment: datetime) -> float:
        return (self._clock() - moment).total_seconds()

    def _miss(self, what: str) -> None:
        self._show(progress.note(self.performance, what, "missed"))
        if self._strict:
            raise ExpectationMissed(what)

    async def _end(self, acting: asyncio.Task[None]) -> None:
        acting.cancel()
        (failure,) = await asyncio.gather(acting, return_exceptions=True)
        if self.performance.phase in ("waiting", "working"):
            why, missed = self._why(failure), isinstance(failure, ExpectationMissed)
            self._show(progress.stop(self.performance, why, self._clock(), missed=missed))
        await self._executor.stop_load()
        not_calm = await self._executor.calm(CALM_WITHIN_S)
        if self.performance.outcome != "stopped":
            await self._until_timeline_is_over()
        observation = self._waiter.latest
        counts = observation.counts if observation else None
        # A twin counts for the last time when it ends.
        await self._executor.close()
        measurements = await self._observer.measure(self._executor, counts, not_calm)
        actor, began = self._scenario.actor, self.performance.began
        numbers = summarize(actor, began, self._waiter.recording, measurements)
        self._show(progress.over(self.performance, numbers, self._clock()))

    def _why(self, failure: BaseException | None) -> str:
        if self._reason:
            return self._reason
        if isinstance(failure, ExpectationMissed):
            return str(failure)
        if failure is None or isinstance(failure, asyncio.CancelledError):
            return "it was stopped"
        log.error("an act broke", exc_info=failure)
        return f"it broke: {type(failure).__name__}"

    async def _until_timeline_is_over(self) -> None:
        """Until the timeline knows how the incident ended, so that the summary can show it; in an
        act without one nothing is waited for."""
        outages = model.LetLoose | model.Kill | model.Restart
        if not any(isinstance(does, outages) for _, _, does in self._scenario.act.actions()):
            return
        end = self._clock() + timedelta(seconds=_TIMELINE_WITHIN_S)
        while self._clock() < end:
            await self._waiter.next()
            found = [
                each for each in self._observer.incidents() if each.on >= self.performance.began
            ]
            if all(each.phase == "over" for each in found) and (
                found or self._waiter.recording.outages
            ):
                return

    def _show(self, performance: Performance) -> None:
        performance = progress.beside(performance, self._executor.figures)
        self._performance = performance
        self._on_change(performance)
