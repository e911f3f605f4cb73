"""The course of a performance as a state machine: values in, values out, no clock of its own.

    waiting --go--> working --done--> waiting … --done (last step)--> ending --over--> over
       \\________________ stop, fail ____________/___________________/

Every way leads through `ending`, and only `over` leads out of it: that is where calm is made."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from scenarios.conditions import ConditionCheck
from scenarios.loader import Scenario
from scenarios.model import ActStep
from scenarios.summary import Summary

Phase = Literal["waiting", "working", "ending", "over"]
Outcome = Literal["", "passed", "skipped", "missed", "stopped"]
StepState = Literal["working", "done", "skipped", "missed", "stopped"]
Tone = Literal["seen", "skipped", "missed"]


class IllegalTransition(Exception):
    """What was asked for does not fit where the performance is."""


class Note(Struct, frozen=True):
    """What was seen, or was not, or was not waited for."""

    text: str
    tone: Tone = "seen"


class StepResult(Struct, frozen=True):
    """How one step went, and what was noted in it, in order."""

    began: datetime
    ended: datetime | None = None
    course: StepState = "working"
    notes: tuple[Note, ...] = ()

    def lasted_s(self, now: datetime) -> float:
        """Seconds of it so far."""
        return ((self.ended or now) - self.began).total_seconds()


class Activity(Struct, frozen=True):
    """What is being done; a wait has a limit, and the state of each thing it waits for."""

    what: str
    since: datetime
    limit_s: float | None = None
    checks: tuple[ConditionCheck, ...] = ()


class Performance(Struct, frozen=True):
    """One act being played: by whom, how far, and how it went. `step` is -1 before the first."""

    scenario: Scenario
    who: str
    began: datetime
    phase: Phase = "waiting"
    step: int = -1
    marks: tuple[StepResult, ...] = ()
    doing: Activity | None = None
    outcome: Outcome = ""
    reason: str = ""
    ended: datetime | None = None
    card: Summary | None = None

    @property
    def steps(self) -> list[ActStep]:
        """The steps of the act."""
        return self.scenario.act.steps

    @property
    def shown(self) -> ActStep | None:
        """The step the audience is in; None before the first and after the end."""
        return self.steps[self.step] if self.step >= 0 and self.phase != "over" else None

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen any more."""
        return self.phase == "over"


def begin(scenario: Scenario, who: str, now: datetime) -> Performance:
    """The curtain is up; nothing has happened yet."""
    return Performance(scenario, who, now)


def go(played: Performance, now: datetime) -> Performance:
    """Next: the following step begins."""
    _demand(played, "waiting")
    return replace(
        played, phase="working", step=played.step + 1, marks=(*played.marks, StepResult(now))
    )


def do(played: Performance, doing: Activity) -> Performance:
    """This is what is done now."""
    _demand(played, "working")
    return replace(played, doing=doing)


def note(played: Performance, text: str, tone: Tone = "seen") -> Performance:
    """Something was seen, or was not; a step that missed something stays missed."""
    _demand(played, "working")
    mark = played.marks[-1]
    course: StepState = mark.course if tone == "seen" or mark.course == "missed" else tone
    return _marked(played, replace(mark, notes=(*mark.notes, Note(text, tone)), course=course))


def done(played: Performance, now: datetime) -> Performance:
    """The step is over; after the last one the end begins."""
    _demand(played, "working")
    mark = played.marks[-1]
    course: StepState = "done" if mark.course == "working" else mark.course
    played = _marked(played, replace(mark, ended=now, course=course))
    if played.step + 1 < len(played.steps):
        return replace(played, phase="waiting", doing=None)
    return replace(played, phase="ending", doing=None, outcome=_verdict(played))


def _verdict(played: Performance) -> Outcome:
    courses = {mark.course for mark in played.marks}
    return "missed" if "missed" in courses else "skipped" if "skipped" in courses else "passed"


def stop(played: Performance, reason: str, now: datetime, *, missed: bool = False) -> Performance:
    """End it here: somebody wants to, or (`missed`) it makes no sense to go on."""
    _demand(played, "waiting", "working")
    if played.phase == "working":
        mark = played.marks[-1]
        course: StepState = "missed" if missed or mark.course == "missed" else "stopped"
        played = _marked(played, replace(mark, ended=now, course=course))
    outcome: Outcome = "missed" if missed else "stopped"
    return replace(played, phase="ending", doing=None, outcome=outcome, reason=reason)


def over(played: Performance, card: Summary, now: datetime) -> Performance:
    """Calm is made, or could not be within its time (the card says which)."""
    _demand(played, "ending")
    return replace(played, phase="over", ended=now, card=card)


def _marked(played: Performance, mark: StepResult) -> Performance:
    return replace(played, marks=(*played.marks[:-1], mark))


def _demand(played: Performance, *phases: Phase) -> None:
    if played.phase not in phases:
        raise IllegalTransition(f"the act is {played.phase}")
