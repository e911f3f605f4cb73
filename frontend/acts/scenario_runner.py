"""Plays acts in the dashboard's own process: Begin, Next, End, and calm when nobody is left."""

import asyncio
import contextlib
import contextvars
import time

from chassis.database.pool import Database
from chassis.http.outbound import Peer
from chassis.http.problems import Problem
from frontend.acts.current_scenario import Playing
from frontend.live_state import Watch, utc_now
from frontend.settings import DashboardSettings
from frontend.web.sessions import Visitor
from scenarios.executor import CannotPlay, Executor
from scenarios.loader import BadAct, Scenario, find, read
from scenarios.lock import ScenarioLock
from scenarios.observer import Observer
from scenarios.player import Player
from scenarios.progress import Performance
from scenarios.standalone import POOL

WHO = "the dashboard"
# A gremlin of an act lives for a quarter of an hour at most; a presenter may talk a little longer.
_LONGEST_S = 3600.0
_LISTEN_EVERY_S = 1.0
# While it waits, numbers change with every look; a browser need not fetch each of them.
_NUDGE_EVERY_S = 1.0


class Button:
    """The cue of a page: one press is one Next, and two presses at once are one as well."""

    def __init__(self) -> None:
        self._pressed = asyncio.Event()

    def press(self) -> None:
        """Next."""
        self._pressed.set()

    async def next(self, played: Performance) -> None:
        """Wait for it."""
        self._pressed.clear()
        await self._pressed.wait()


class Stage:
    """One act at a time. What it shows is in `watch.playing`; every change is a nudge."""

    def __init__(self, settings: DashboardSettings, watch: Watch, peers: dict[str, Peer]) -> None:
        self._settings, self._watch, self._peers = settings, watch, peers
        self._database = Database(settings, size=POOL)
        self._opening = asyncio.Lock()
        self._player: Player | None = None
        self._performing: asyncio.Task[Performance] | None = None
        self._button = Button()
        self._nudged_at = 0.0
        self._nudged: tuple[object, ...] = ()

    @property
    def playing(self) -> Playing:
        """What is on."""
        return self._watch.playing

    async def begin(self, name: str, visitor_id: str) -> None:
        """Raise the curtain; a `Problem` says why not."""
        scenario = scenario_of(name)
        async with self._opening:
            if self.playing.is_on:
                raise Problem(409, "act-under-way", "An act is under way: end it first.")
            self._button = Button()
            player = self._company(scenario)
            try:
                await player.open()
            except CannotPlay as why:
                raise Problem(
                    409, "act-cannot-begin", f"{str(why)[:1].upper()}{str(why)[1:]}."
                ) from None
            self._player = player
            self.playing.dismiss()
            self.playing.present(visitor_id)
            # Not the request's context: its trace and its deadline are no part of the act.
            self._performing = asyncio.create_task(
                player.play(), name=f"act {name}", context=contextvars.Context()
            )

    def attend(self, visitor: Visitor) -> None:
        """Whoever has the notes open and may press Next presents, too."""
        if self.playing.is_on and not visitor.locked:
            self.playing.present(visitor.id)

    def next(self, visitor_id: str) -> None:
        """Go on; while something is being done this says so instead."""
        played = self._demand_on()
        if played.phase != "waiting":
            raise Problem(409, "act-busy", "The step is still going on.")
        self.playing.present(visitor_id)
        self._button.press()

    def skip(self, visitor_id: str) -> None:
        """Wait no longer for what the step waits for."""
        self._demand_on()
        self.playing.present(visitor_id)
        if self._player is not None:
            self._player.skip()

    def end(self) -> None:
        """Stop the act: the shop is calm afterwards."""
        self._demand_on()
        if self._player is not None:
            self._player.stop("ended by the presenter")

    def put_away(self) -> None:
        """Take the card of an act that is over off every page."""
        if not self.playing.is_on:
            self.playing.now = None
            self._watch.hub.nudge("acts")

    async def run(self) -> None:
        """End the act when its presenter is gone or has forgotten it; with the dashboard, too."""
        try:
            while True:
                await asyncio.sleep(_LISTEN_EVERY_S)
                self._see_to_it()
        finally:
            await self._leave()

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    def _see_to_it(self) -> None:
        player, played = self._player, self.playing.now
        if player is None or played is None or played.phase in ("ending", "over"):
            return
        silent_s = self.playing.silent_s()
        if silent_s > self._settings.act_patience_s:
            player.stop(f"no word from the presenter's browser for {silent_s:.0f} s")
        elif (utc_now() - played.began).total_seconds() > _LONGEST_S:
            player.stop("it has been on for an hour")

    async def _leave(self) -> None:
        if self._player is not None and self._performing is not None:
            self._player.stop("the dashboard was stopped")
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._performing, self._settings.stop_grace_s)

    def _company(self, scenario: Scenario) -> Player:
        return Player(
            scenario,
            WHO,
            executor=Executor(self._settings, self._peers, actor=scenario.actor),
            observer=Observer(self._watch.live, self._watch.proof, self._database),
            lock=ScenarioLock(self._settings.database_url, scenario.name, WHO),
            cue=self._button,
            on_change=self._changed,
        )

    def _changed(self, played: Performance) -> None:
        self.playing.now = played
        checks = played.activity.checks if played.activity else ()
        notes = played.results[-1].notes if played.results else ()
        shown = played.phase, played.step, len(notes), tuple(check.holds for check in checks)
        now = time.monotonic()
        if shown != self._nudged or now - self._nudged_at >= _NUDGE_EVERY_S:
            self._nudged, self._nudged_at = shown, now
            self._watch.hub.nudge("acts")

    def _demand_on(self) -> Performance:
        if self.playing.now is None or self.playing.now.is_over:
            raise Problem(409, "no-act", "No act is being played here.")
        return self.playing.now


def scenario_of(name: str) -> Scenario:
    """The act of this name; a `Problem` if there is none, or if it cannot be read."""
    if "/" in name or "." in name:
        raise Problem(404, "act-not-found", "There is no such act.")
    try:
        return read(find(name))
    except BadAct as bad:
        raise Problem(422 if bad.line else 404, "bad-act", f"{bad}.") from None
