"""Acts at a terminal: played with Enter as the Next key, or checked by a machine."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from scenarios.console_log import ConsoleLog, outcome_line, summary_lines
from scenarios.failures import CannotPlay
from scenarios.loader import Scenario
from scenarios.player import Player
from scenarios.progress import Performance
from scenarios.settings import ScenarioSettings
from scenarios.standalone import Standalone, standalone
from scenarios.timing import USUAL, Timing

Say = Callable[[str], None]
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KEYBOARD = 0


class Unattended:
    """The cue of a machine, which never waits."""

    async def next(self, performance: Performance, /) -> None:
        """Go on."""


class Keyboard:
    """The cue of a person: Enter starts the next step, s and Enter ends the wait."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._lines: asyncio.Queue[str] = asyncio.Queue(8)
        self.player: Player | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Read the keyboard while the block runs; raises `CannotPlay` where there is none."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(_KEYBOARD, self._read, _KEYBOARD)
        except OSError:
            raise CannotPlay("there is no keyboard here: `valerix act check` needs none") from None
        try:
            yield
        finally:
            loop.remove_reader(_KEYBOARD)

    async def next(self, performance: Performance, /) -> None:
        """Wait for Enter."""
        while not self._lines.empty():
            self._lines.get_nowait()
        coming = performance.steps[performance.step + 1].title
        self._say(f"\n  [Enter] {coming}")
        await self._lines.get()

    def _read(self, keyboard: int) -> None:
        typed = os.read(keyboard, 4096)
        if self.player is None:
            return
        if not typed:
            self.player.stop("the terminal was closed")
        elif typed.strip().lower() == b"s":
            self.player.skip()
        elif not self._lines.full():
            self._lines.put_nowait("next")


class Screen:
    """Shows an act as it goes on. Where that fails, the act is stopped, which ends calm as always,
    and `failure` says why."""

    def __init__(self, say: Say, hint: Say, *, notes: bool) -> None:
        self._log = ConsoleLog(say, hint, notes=notes)
        self.player: Player | None = None
        self.failure: OSError | None = None

    def show(self, performance: Performance) -> None:
        """What is new."""
        try:
            self._log.update(performance, datetime.now(UTC))
        except OSError as error:
            self.failure = self.failure or error
            if self.player is not None:
                self.player.stop("its output cannot be written")


def play(settings: ScenarioSettings, scenario: Scenario, say: Say, hint: Say) -> int:
    """Play one act for an audience; the exit code."""

    async def perform() -> int:
        cue = Keyboard(say)
        with cue.listening():
            async with standalone(settings, USUAL) as ours:
                screen = Screen(say, hint, notes=True)
                player = cue.player = screen.player = _player(ours, scenario, cue, screen)
                say(f"\n{scenario.act.title}\n\n  Enter: next    s Enter: wait no longer")
                say("  Ctrl-C: stop; the shop is calm afterwards")
                return _exit_code(await _perform(player, screen, say))

    return asyncio.run(perform())


def check(
    settings: ScenarioSettings, scenarios: Sequence[Scenario], timing: Timing, say: Say, hint: Say
) -> int:
    """Play acts unattended; 0 if all showed what they should, 1 if not, 2 if one cannot be run."""

    async def perform() -> int:
        worst = 0
        async with standalone(settings, timing) as ours:
            for scenario in scenarios:
                say(f"{scenario.name}: {scenario.act.title}")
                screen = Screen(say, hint, notes=False)
                player = screen.player = _player(ours, scenario, Unattended(), screen)
                try:
                    performance = await _perform(player, screen, say)
                except CannotPlay as why:
                    hint(f"  cannot be played: {why}")
                    worst = 2
                    continue
                worst = max(worst, _exit_code(performance))
                if performance.outcome == "stopped":
                    break
        return worst

    return asyncio.run(perform())


def _player(
    ours: Standalone, scenario: Scenario, cue: Unattended | Keyboard, screen: Screen
) -> Player:
    who = f"a terminal (pid {os.getpid()})"
    return Player(
        scenario,
        who,
        executor=ours.executor(scenario),
        observer=ours.observer(),
        lock=ours.lock(scenario, who),
        cue=cue,
        on_change=screen.show,
        strict=isinstance(cue, Unattended),
    )


async def _perform(player: Player, screen: Screen, say: Say) -> Performance:
    await player.open()
    loop = asyncio.get_running_loop()
    # What is ignored stays so: nohup means that the act goes on without its terminal.
    stops = [each for each in _STOPS if signal.getsignal(each) is not signal.SIG_IGN]
    for number in stops:
        loop.add_signal_handler(number, player.stop, f"stopped by {number.name}")
    try:
        performance = await player.play()
    finally:
        for number in stops:
            loop.remove_signal_handler(number)
    if screen.failure is not None:
        raise screen.failure
    say(f"  {outcome_line(performance)}")
    for line in summary_lines(performance.summary) if performance.summary else ():
        say(line)
    say("")
    return performance


def _exit_code(performance: Performance) -> int:
    calm = performance.summary is not None and not performance.summary.not_calm
    return 0 if performance.outcome == "passed" and calm else 1
