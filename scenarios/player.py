"""Plays an act: walks through its steps, waits for what it should show, and always ends calm."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from chassis.database.pool import CommitUnknown, DatabaseBusy, DatabaseDown
from scenarios import model, progress
from scenarios.conditions import holds, unmet, wanted
from scenarios.descriptions import describe
from scenarios.executor import ActionFailed, CannotPlay, Executor
from scenarios.loader import Scenario
from scenarios.lock import LockTaken, LockUnavailable, ScenarioLock
from scenarios.model import Condition, Instruction, Wait, instruction_of, seconds
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
# After the last step all is settled already; the timeline only has to be told.
_TOLD_WITHIN_S = 6.0


class Cue(Protocol):
    """Who says Next: a key, a button, or a machine that never waits."""

    async def next(self, played: Performance) -> None:
        """Return when the next step may begin."""


class ExpectationMissed(Exception):
    """What should have been seen was not; an unattended act ends here."""


class Player:
    """One performance. `changed` is told whenever there is something new to show; `strict` ends
    the act at the first thing that is missed, where an audience would rather go on."""

    def __init__(
        self,
        scenario: Scenario,
        who: str,
        *,
        hands: Executor,
        eyes: Observer,
        turn: ScenarioLock,
        cue: Cue,
        changed: Callable[[Performance], None],
        strict: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._scenario, self._who, self._strict = scenario, who, strict
        self._hands, self._eyes, self._turn, self._cue = hands, eyes, turn, cue
        self._changed, self._clock = changed, clock
        self._lookout = Waiter(eyes, hands.customers.told, clock=clock, sleep=sleep)
        self._skip = asyncio.Event()
        self._acting: asyncio.Task[None] | None = None
        self._reason = ""
        self._played: Performance | None = None

    @property
    def played(self) -> Performance:
        """How far it is; only once it is open."""
        if self._played is None:
            raise CannotPlay("the act was not opened")
        return self._played

    async def open(self) -> None:
        """Take the stage and see that the act can be played; raises `CannotPlay`."""
        try:
            await self._turn.__aenter__()
        except LockTaken as taken:
            raise CannotPlay(str(taken)) from None
        except LockUnavailable as error:
            raise CannotPlay(f"the database cannot be reached: {error}") from None
        try:
            await self._hands.prepare(self._scenario)
            await self._eyes.begin()
        except BaseException as error:
            await self._turn.__aexit__(None, None, None)
            if isinstance(error, ActionFailed | DatabaseDown | DatabaseBusy | CommitUnknown):
                raise CannotPlay(str(error)) from None
            raise
        self._show(progress.begin(self._scenario, self._who, self._clock()))

    async def play(self) -> Performance:
        """From the first Next to the end; `open` comes before."""
        looking = asyncio.create_task(self._lookout.run(self._keep_turn), name="act: looking")
        self._acting = asyncio.create_task(self._steps(), name="act: acting")
        if self._reason:
            self._acting.cancel()  # stopped before it began
        try:
            await asyncio.wait([self._acting])
        finally:
            try:
                await self._end(self._acting)
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                await self._turn.__aexit__(None, None, None)
        return self.played

    def stop(self, reason: str) -> None:
        """End the act now: calm, and no further step."""
        self._reason = self._reason or reason
        if self._acting is not None:
            self._acting.cancel()

    def skip(self) -> None:
        """Wait no longer for what is being waited for."""
        self._skip.set()

    async def _keep_turn(self) -> None:
        try:
            await self._turn.keep()
        except LockTaken as taken:
            self.stop(f"while the database was away, {taken}")

    async def _steps(self) -> None:
        while self.played.phase == "waiting":
            await self._cue.next(self.played)
            self._show(progress.go(self.played, self._clock()))
            for action in self.played.steps[self.played.step].do:
                await self._do(instruction_of(action))
            self._show(progress.done(self.played, self._clock()))

    async def _do(self, does: Instruction) -> None:
        if not isinstance(does, Wait | Condition):
            self._show(progress.do(self.played, Activity(describe(does), self._clock())))
        try:
            await self._perform(does)
        except ActionFailed as error:
            self._miss(str(error))

    async def _perform(self, does: Instruction) -> None:
        match does:
            case Wait():
                await self._wait(does)
            case Condition():
                await self._expect(does)
            case model.LetLoose():
                await self._hands.let_loose(does)
            case model.Shelf():
                await self._hands.shelve(does)
                # What was delivered or sold to set the stage is no part of the story.
                await self._eyes.begin()
            case model.Load():
                await self._hands.load(does)
            case model.Kill() | model.Restart():
                await self._hands.slip(does)
                self._lookout.journal.slips.append(Outage(describe(does), self._clock()))
            case "calm":
                if missing := await self._hands.calm(CALM_WITHIN_S):
                    raise ActionFailed(f"{' and '.join(missing)} did not answer the calm")
            case "stop load":
                await self._hands.customers.leave()

    async def _wait(self, wait: Wait) -> None:
        began, limit_s = self._clock(), seconds(wait.limit)
        question = self._lookout.ask(wait.until)
        self._skip.clear()
        while True:
            found = await question.answer()
            waited_s = (self._clock() - began).total_seconds()
            self._show(progress.do(self.played, Activity(describe(wait), began, limit_s, found)))
            if holds(found):
                self._show(progress.note(self.played, f"after {waited_s:.1f} s: {wanted(found)}"))
                return
            if waited_s >= limit_s:
                self._miss(f"not within {limit_s:g} s: {unmet(found)}")
                return
            if self._skip.is_set():
                text = f"not waited for: {unmet(found)}"
                self._show(progress.note(self.played, text, "skipped"))
                return

    async def _expect(self, condition: Condition) -> None:
        began, question = self._clock(), self._lookout.ask(condition)
        doing = Activity(describe(condition), began, _JUDGED_WITHIN_S)
        self._show(progress.do(self.played, doing))
        found = await question.answer()
        while not question.is_judged and self._since(began) < _JUDGED_WITHIN_S:
            found = await question.answer()
        if holds(found):
            self._show(progress.note(self.played, f"as expected: {wanted(found)}"))
        else:
            self._miss(f"expected: {unmet(found)}")

    def _since(self, moment: datetime) -> float:
        return (self._clock() - moment).total_seconds()

    def _miss(self, what: str) -> None:
        self._show(progress.note(self.played, what, "missed"))
        if self._strict:
            raise ExpectationMissed(what)

    async def _end(self, acting: asyncio.Task[None]) -> None:
        acting.cancel()
        (failure,) = await asyncio.gather(acting, return_exceptions=True)
        if self.played.phase in ("waiting", "working"):
            why, missed = self._why(failure), isinstance(failure, ExpectationMissed)
            self._show(progress.stop(self.played, why, self._clock(), missed=missed))
        customers = self._hands.customers
        await customers.leave()
        not_calm = await self._hands.calm(CALM_WITHIN_S)
        if self.played.outcome != "stopped":
            await self._until_told()
        seen = self._lookout.seen
        books = seen.books if seen else None
        evidence = await self._eyes.testify(customers, books, not_calm)
        actor, began = self._scenario.actor, self.played.began
        numbers = summarize(actor, began, self._lookout.journal, evidence)
        self._show(progress.over(self.played, numbers, self._clock()))

    def _why(self, failure: BaseException | None) -> str:
        if self._reason:
            return self._reason
        if isinstance(failure, ExpectationMissed):
            return str(failure)
        if failure is None or isinstance(failure, asyncio.CancelledError):
            return "it was stopped"
        log.error("an act broke", exc_info=failure)
        return f"it broke: {type(failure).__name__}"

    async def _until_told(self) -> None:
        """Until the timeline knows how the incident ended, so that the card can say it."""
        end = self._clock() + timedelta(seconds=_TOLD_WITHIN_S)
        while self._clock() < end:
            await self._lookout.next()
            found = [each for each in self._eyes.incidents() if each.on >= self.played.began]
            if all(each.phase == "over" for each in found) and (
                found or self._lookout.journal.slips
            ):
                return

    def _show(self, played: Performance) -> None:
        self._played = played
        self._changed(played)
