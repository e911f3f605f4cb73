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
from scenarios.twin_process import TwinFigures

Phase = Literal["waiting", "working", "ending", "over"]
Outcome = Literal["", "passed", "skipped", "missed", "stopped"]
StepState = Literal["working", "done", "skipped", "missed", "stopped"]
Tone = Literal["seen", "skipped", "missed"]


class IllegalTransition(Exception):
    """The event is not allowed in the phase the performance is in."""


class Note(Struct, frozen=True):
    """What was seen, or was not, or was not waited for."""

    text: str
    tone: Tone = "seen"


class FinishedStep(Struct, frozen=True):
    """How one step went, and what was noted in it, in order."""

    began: datetime
    ended: datetime | None = None
    state: StepState = "working"
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
    results: tuple[FinishedStep, ...] = ()
    activity: Activity | None = None
    outcome: Outcome = ""
    reason: str = ""
    ended: datetime | None = None
    summary: Summary | None = None
    # Of the shop and the unsafe twin beside it, as far as that is known.
    figures: TwinFigures | None = None

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
    """The act is open; nothing has happened yet."""
    return Performance(scenario, who, now)


def go(performance: Performance, now: datetime) -> Performance:
    """Next: the following step begins."""
    _demand(performance, "waiting")
    return replace(
        performance,
        phase="working",
        step=performance.step + 1,
        results=(*performance.results, FinishedStep(now)),
    )


def do(performance: Performance, activity: Activity) -> Performance:
    """This is what is done now."""
    _demand(performance, "working")
    return replace(performance, activity=activity)


def note(performance: Performance, text: str, tone: Tone = "seen") -> Performance:
    """Something was seen, or was not; a step that missed something stays missed."""
    _demand(performance, "working")
    result = performance.results[-1]
    state: StepState = result.state if tone == "seen" or result.state == "missed" else tone
    return _with_result(
        performance, replace(result, notes=(*result.notes, Note(text, tone)), state=state)
    )


def beside(performance: Performance, figures: TwinFigures | None) -> Performance:
    """What came of the shop and its twin so far; the last figures stay."""
    return performance if figures is None else replace(performance, figures=figures)


def done(performance: Performance, now: datetime) -> Performance:
    """The step is over; after the last one the end begins."""
    _demand(performance, "working")
    result = performance.results[-1]
    state: StepState = "done" if result.state == "working" else result.state
    performance = _with_result(performance, replace(result, ended=now, state=state))
    if performance.step + 1 < len(performance.steps):
        return replace(performance, phase="waiting", activity=None)
    return replace(performance, phase="ending", activity=None, outcome=_verdict(performance))


def _verdict(performance: Performance) -> Outcome:
    courses = {result.state for result in performance.results}
    return "missed" if "missed" in courses else "skipped" if "skipped" in courses else "passed"


def stop(
    performance: Performance, reason: str, now: datetime, *, missed: bool = False
) -> Performance:
    """End it here: somebody wants to, or (`missed`) an expectation was missed."""
    _demand(performance, "waiting", "working")
    if performance.phase == "working":
        result = performance.results[-1]
        state: StepState = "missed" if missed or result.state == "missed" else "stopped"
        performance = _with_result(performance, replace(result, ended=now, state=state))
    outcome: Outcome = "missed" if missed else "stopped"
    return replace(performance, phase="ending", activity=None, outcome=outcome, reason=reason)


def over(performance: Performance, summary: Summary, now: datetime) -> Performance:
    """The shop is calm, or could not be made so in time (the summary says which)."""
    _demand(performance, "ending")
    return replace(performance, phase="over", ended=now, summary=summary)


def _with_result(performance: Performance, result: FinishedStep) -> Performance:
    return replace(performance, results=(*performance.results[:-1], result))


def _demand(performance: Performance, *phases: Phase) -> None:
    if performance.phase not in phases:
        raise IllegalTransition(f"the act is {performance.phase}")
