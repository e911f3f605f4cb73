"""A performance as lines, as it happens, for a terminal or a build's log."""

import textwrap
from collections.abc import Callable
from datetime import datetime

from scenarios.conditions import FIGURES, unmet
from scenarios.descriptions import describe
from scenarios.loader import Scenario
from scenarios.model import instruction_of
from scenarios.progress import Performance
from scenarios.summary import Summary, SummaryFigure

# How often a long wait says what it waits for.
_HINT_EVERY_S = 2.0
_WIDTH = 76
_OUTCOMES = {"missed": "MISSED", "skipped": "passed, but for what was not waited for"}


class ConsoleLog:
    """`say` gets the lines of the log, `hint` those that only show progress. With `notes`, the
    speaker's notes are shown too."""

    def __init__(
        self, say: Callable[[str], None], hint: Callable[[str], None], *, notes: bool
    ) -> None:
        self._say, self._hint, self._notes = say, hint, notes
        self._step, self._notes_shown, self._ended = -1, 0, False
        self._activity = ""
        self._hinted_at: datetime | None = None

    def update(self, performance: Performance, now: datetime) -> None:
        """Write everything that is new since the last time."""
        if performance.step != self._step:
            self._step, self._notes_shown, self._ended, self._activity = (
                performance.step,
                0,
                False,
                "",
            )
            self._begin_step(performance)
        if performance.activity is not None and performance.activity.what != self._activity:
            self._activity, self._hinted_at = performance.activity.what, None
            if performance.activity.limit_s is None:
                self._say(f"      {performance.activity.what}")
        self._show_notes(performance, now)
        self._show_wait(performance, now)
        if performance.phase == "ending" and performance.reason:
            self._say(f"  ends here: {performance.reason}")

    def _begin_step(self, performance: Performance) -> None:
        step = performance.steps[performance.step]
        head = f"  {performance.step + 1}/{len(performance.steps)}  {step.title}"
        look = f"   (look at: {step.look})" if isinstance(step.look, str) and self._notes else ""
        self._say(head + look)
        if self._notes:
            self._say(_indented(step.say, "      | "))

    def _show_notes(self, performance: Performance, now: datetime) -> None:
        if not performance.results:
            return
        result = performance.results[-1]
        for note in result.notes[self._notes_shown :]:
            self._say(_indented(note.text, "      "))
        self._notes_shown = len(result.notes)
        if result.ended is not None and not self._ended:
            self._ended = True
            self._say(f"      {result.state} in {result.lasted_s(now):.1f} s")

    def _show_wait(self, performance: Performance, now: datetime) -> None:
        activity = performance.activity
        if performance.phase != "working" or activity is None or activity.limit_s is None:
            return
        waited_s = (now - activity.since).total_seconds()
        last = self._hinted_at or activity.since
        missing = unmet(activity.checks)
        if missing and (now - last).total_seconds() >= _HINT_EVERY_S:
            self._hinted_at = now
            self._hint(f"      {waited_s:3.0f} s of {activity.limit_s:g} s: {missing}")


def outcome_line(performance: Performance) -> str:
    """One line about the whole."""
    took_s = ((performance.ended or performance.began) - performance.began).total_seconds()
    seen = sum(result.state == "done" for result in performance.results)
    return (
        f"{_OUTCOMES.get(performance.outcome, performance.outcome)}: {performance.scenario.name}, "
        f"{seen} of {len(performance.steps)} steps as written, {took_s:.1f} s"
    )


def summary_lines(summary: Summary) -> list[str]:
    """The summary as a small table."""
    lines = [f"  {fault}" for fault in summary.faults]
    lines += [
        f"    {each.label:14} {format_figure(each):>8}   {each.detail}" for each in summary.figures
    ]
    if summary.beside is not None:
        lines.append(f"    {'':24} {'ours':>8} {'twin (unsafe)':>15}")
        lines += [
            f"    {label:24} {getattr(summary.beside.ours, name):>8} "
            f"{getattr(summary.beside.theirs, name):>15}"
            for name, label in (("orders", "orders"), ("payments", "payments"), *FIGURES.items())
        ]
    if summary.not_calm:
        lines.append(
            f"  NOT CALM: {', '.join(summary.not_calm)} did not answer; gremlins there end"
        )
        lines.append("  by themselves. Run `valerix calm` once they do; an account stays as it is")
        lines.append("  until `valerix provider mode NAME happy`.")
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
    if isinstance(act.twin, str):
        lines += [f"  beside it: the unsafe twin {act.twin}", ""]
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
