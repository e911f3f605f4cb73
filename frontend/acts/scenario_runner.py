"""Plays acts in the dashboard's own process: Begin, Next, End, and calm when nobody is left."""

import asyncio
import contextlib
import contextvars
import time

from chassis.database.pool import Database
from chassis.http.outbound import Peer
from chassis.http.problems import Problem
from frontend.live_state import DashboardState
from frontend.settings import DashboardSettings
from frontend.web.formatting import utc_now
from frontend.web.sessions import Visitor
from scenarios.beside import executor_of
from scenarios.failures import CannotPlay
from scenarios.loader import BadAct, Scenario, find, read
from scenarios.lock import ScenarioLock
from scenarios.observer import Observer
from scenarios.player import Player
from scenarios.progress import Performance
from scenarios.standalone import POOL

WHO = "the dashboard"
# A gremlin of an act lives for a quarter of an hour at most; a presenter may talk a little longer.
_LONGEST_S = 3600.0
_CHECK_EVERY_S = 1.0
# While it waits, numbers change with every look; a browser need not fetch each of them.
_NUDGE_EVERY_S = 1.0


class NextButton:
    """A page's Next button as the cue of an act; two presses at once are one."""

    def __init__(self) -> None:
        self._pressed = asyncio.Event()

    def press(self) -> None:
        """Next."""
        self._pressed.set()

    async def next(self, played: Performance) -> None:
        """Wait for it."""
        self._pressed.clear()
        await self._pressed.wait()


class ScenarioRunner:
    """Plays one act at a time. What is on is in `state.scenario`; every change is a nudge."""

    def __init__(
        self, settings: DashboardSettings, state: DashboardState, peers: dict[str, Peer]
    ) -> None:
        self._settings, self._state, self._peers = settings, state, peers
        self._current = state.scenario
        self._database = Database(settings, size=POOL)
        self._opening = asyncio.Lock()
        self._player: Player | None = None
        self._task: asyncio.Task[Performance] | None = None
        self._button = NextButton()
        self._nudged_at = 0.0
        self._nudged: tuple[object, ...] = ()

    async def begin(self, name: str, visitor_id: str) -> None:
        """Begin an act; a `Problem` says why that is not possible."""
        scenario = scenario_of(name)
        async with self._opening:
            if self._current.is_on:
                raise Problem(409, "act-under-way", "An act is under way: end it first.")
            self._button = NextButton()
            player = self._player_of(scenario)
            try:
                await player.open()
            except CannotPlay as error:
                raise Problem(
                    409, "act-cannot-begin", f"{str(error)[:1].upper()}{str(error)[1:]}."
                ) from None
            self._player = player
            self._current.remove_presenters()
            self._current.add_presenter(visitor_id)
            # Not the request's context: its trace and its deadline are no part of the act.
            self._task = asyncio.create_task(
                player.play(), name=f"act {name}", context=contextvars.Context()
            )

    def attend(self, visitor: Visitor) -> None:
        """Whoever has the notes open and may press Next presents, too."""
        if self._current.is_on and not visitor.locked:
            self._current.add_presenter(visitor.id)

    def next(self, visitor_id: str) -> None:
        """Go on with the next step; `Problem` 409 while one is still going on."""
        played = self._running()
        if played.phase != "waiting":
            raise Problem(409, "act-busy", "The step is still going on.")
        self._current.add_presenter(visitor_id)
        self._button.press()

    def skip(self, visitor_id: str) -> None:
        """Wait no longer for what the step waits for."""
        self._running()
        self._current.add_presenter(visitor_id)
        if self._player is not None:
            self._player.skip()

    def end(self) -> None:
        """Stop the act: the shop is calm afterwards."""
        self._running()
        if self._player is not None:
            self._player.stop("ended by the presenter")

    def put_away(self) -> None:
        """Take the card of an act that is over off every page."""
        if not self._current.is_on:
            self._current.performance = None
            self._state.hub.nudge("acts")

    async def run(self) -> None:
        """End the act when nobody presents it any more, or when the dashboard stops."""
        try:
            while True:
                await asyncio.sleep(_CHECK_EVERY_S)
                self._stop_if_abandoned()
        finally:
            await self._finish()

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    def _stop_if_abandoned(self) -> None:
        player, played = self._player, self._current.performance
        if player is None or played is None or played.phase in ("ending", "over"):
            return
        silent_s = self._current.silent_s()
        if silent_s > self._settings.act_patience_s:
            player.stop(f"no word from the presenter's browser for {silent_s:.0f} s")
        elif (utc_now() - played.began).total_seconds() > _LONGEST_S:
            player.stop("it has been on for an hour")

    async def _finish(self) -> None:
        if self._player is not None and self._task is not None:
            self._player.stop("the dashboard was stopped")
            with contextlib.suppress(Exception):
                async with asyncio.timeout(self._settings.stop_grace_s):
                    await self._task

    def _player_of(self, scenario: Scenario) -> Player:
        return Player(
            scenario,
            WHO,
            executor=executor_of(self._settings, self._peers, scenario),
            observer=Observer(self._state.live, self._state.proof, self._database),
            lock=ScenarioLock(self._settings.database_url, scenario.name, WHO),
            cue=self._button,
            on_change=self._changed,
        )

    def _changed(self, played: Performance) -> None:
        self._current.performance = played
        checks = played.activity.checks if played.activity else ()
        notes = played.results[-1].notes if played.results else ()
        state = played.phase, played.step, len(notes), tuple(check.holds for check in checks)
        now = time.monotonic()
        if state != self._nudged or now - self._nudged_at >= _NUDGE_EVERY_S:
            self._nudged, self._nudged_at = state, now
            self._state.hub.nudge("acts")

    def _running(self) -> Performance:
        if self._current.performance is None or self._current.performance.is_over:
            raise Problem(409, "no-act", "No act is being played here.")
        return self._current.performance


def scenario_of(name: str) -> Scenario:
    """The act of this name; a `Problem` if there is none, or if it cannot be read."""
    if "/" in name or "." in name:
        raise Problem(404, "act-not-found", "There is no such act.")
    try:
        return read(find(name))
    except BadAct as bad:
        raise Problem(422 if bad.line else 404, "bad-act", f"{bad}.") from None
