"""A performance told in lines, as it happens, for a terminal or a build's log."""

import textwrap
from collections.abc import Callable
from datetime import datetime

from scenarios.conditions import unmet
from scenarios.descriptions import describe
from scenarios.loader import Scenario
from scenarios.model import instruction_of
from scenarios.progress import Performance
from scenarios.summary import Summary, SummaryFigure

# Whoever waits for longer than this wants to know for what.
_HINT_EVERY_S = 2.0
_WIDTH = 76
_OUTCOMES = {"missed": "MISSED", "skipped": "passed, but for what was not waited for"}


class ConsoleLog:
    """`say` gets what stays, `hint` what only says that it goes on. With `notes`, the speaker's
    words come along."""

    def __init__(
        self, say: Callable[[str], None], hint: Callable[[str], None], *, notes: bool
    ) -> None:
        self._say, self._hint, self._notes = say, hint, notes
        self._step, self._told, self._ended = -1, 0, False
        self._doing = ""
        self._hinted_at: datetime | None = None

    def tell(self, played: Performance, now: datetime) -> None:
        """Everything that is new since the last time."""
        if played.step != self._step:
            self._step, self._told, self._ended, self._doing = played.step, 0, False, ""
            self._begin_step(played)
        if played.doing is not None and played.doing.what != self._doing:
            self._doing, self._hinted_at = played.doing.what, None
            if played.doing.limit_s is None:
                self._say(f"      {played.doing.what}")
        self._tell_notes(played, now)
        self._tell_wait(played, now)
        if played.phase == "ending" and played.reason:
            self._say(f"  ends here: {played.reason}")

    def _begin_step(self, played: Performance) -> None:
        step = played.steps[played.step]
        head = f"  {played.step + 1}/{len(played.steps)}  {step.title}"
        look = f"   (look at: {step.look})" if isinstance(step.look, str) and self._notes else ""
        self._say(head + look)
        if self._notes:
            self._say(_indented(step.say, "      | "))

    def _tell_notes(self, played: Performance, now: datetime) -> None:
        if not played.marks:
            return
        mark = played.marks[-1]
        for note in mark.notes[self._told :]:
            self._say(_indented(note.text, "      "))
        self._told = len(mark.notes)
        if mark.ended is not None and not self._ended:
            self._ended = True
            self._say(f"      {mark.course} in {mark.lasted_s(now):.1f} s")

    def _tell_wait(self, played: Performance, now: datetime) -> None:
        doing = played.doing
        if played.phase != "working" or doing is None or doing.limit_s is None:
            return
        waited_s = (now - doing.since).total_seconds()
        last = self._hinted_at or doing.since
        missing = unmet(doing.checks)
        if missing and (now - last).total_seconds() >= _HINT_EVERY_S:
            self._hinted_at = now
            self._hint(f"      {waited_s:3.0f} s of {doing.limit_s:g} s: {missing}")


def outcome_line(played: Performance) -> str:
    """One line about the whole."""
    took_s = ((played.ended or played.began) - played.began).total_seconds()
    seen = sum(mark.course == "done" for mark in played.marks)
    return (
        f"{_OUTCOMES.get(played.outcome, played.outcome)}: {played.scenario.name}, "
        f"{seen} of {len(played.steps)} steps as written, {took_s:.1f} s"
    )


def summary_lines(card: Summary) -> list[str]:
    """The card as a small table."""
    lines = [f"  {fault}" for fault in card.faults]
    lines += [
        f"    {each.label:14} {format_figure(each):>8}   {each.detail}" for each in card.figures
    ]
    if card.not_calm:
        lines.append(f"  NOT CALM: {', '.join(card.not_calm)} did not answer; gremlins there end")
        lines.append("  by themselves. Say `valerix calm` once they do.")
    return lines


def format_figure(figure: SummaryFigure) -> str:
    """A measured number, or a dash."""
    if figure.seconds is not None:
        return f"{figure.seconds:.1f} s"
    return "-" if figure.count is None else str(figure.count)


def describe_scenario(scenario: Scenario) -> list[str]:
    """An act to be read before it is played."""
    act = scenario.act
    lines = [act.title, _indented(act.teaches, "  "), ""]
    for place, step in enumerate(act.steps, 1):
        look = f"   (look at: {step.look})" if isinstance(step.look, str) else ""
        lines += [f"  {place}. {step.title}{look}", _indented(step.say, "     | ")]
        for action in step.do:
            lines.append(f"     - {describe(instruction_of(action))}")
    return lines


def _indented(text: str, indent: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), _WIDTH, initial_indent=indent, subsequent_indent=indent
    )
