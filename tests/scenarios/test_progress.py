"""A performance takes the allowed transitions only, and every end makes the shop calm first."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scenarios import progress
from scenarios.progress import Activity, IllegalTransition
from scenarios.summary import Summary
from tests.scenarios.arranged import NOW, SCENARIO

SUMMARY = Summary((), ())


class Transitions(RuleBasedStateMachine):
    """Any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.performance = progress.begin(SCENARIO, "a test", NOW)
        self.phases = ["waiting"]

    def _went(self, performance: progress.Performance) -> None:
        self.now += timedelta(seconds=1)
        self.performance = performance
        if performance.phase != self.phases[-1]:
            self.phases.append(performance.phase)

    @precondition(lambda self: self.performance.phase == "waiting")
    @rule()
    def go(self) -> None:
        self._went(progress.go(self.performance, self.now))

    @precondition(lambda self: self.performance.phase == "working")
    @rule()
    def do(self) -> None:
        self._went(progress.do(self.performance, Activity("something", self.now, 3.0)))

    @precondition(lambda self: self.performance.phase == "working")
    @rule()
    def see(self) -> None:
        self._went(progress.note(self.performance, "seen"))

    @precondition(lambda self: self.performance.phase == "working")
    @rule()
    def miss(self) -> None:
        self._went(progress.note(self.performance, "not seen", "missed"))

    @precondition(lambda self: self.performance.phase == "working")
    @rule()
    def skip(self) -> None:
        self._went(progress.note(self.performance, "not waited for", "skipped"))

    @precondition(lambda self: self.performance.phase == "working")
    @rule()
    def done(self) -> None:
        self._went(progress.done(self.performance, self.now))

    @precondition(lambda self: self.performance.phase in ("waiting", "working"))
    @rule()
    def stop(self) -> None:
        self._went(progress.stop(self.performance, "enough", self.now))

    @precondition(lambda self: self.performance.phase == "ending")
    @rule()
    def over(self) -> None:
        self._went(progress.over(self.performance, SUMMARY, self.now))

    @rule()
    def an_illegal_transition_is_refused(self) -> None:
        performance, now = self.performance, self.now
        fits = {
            "waiting": {"go", "stop"},
            "working": {"do", "note", "done", "stop"},
            "ending": {"over"},
            "over": set(),
        }[performance.phase]
        events = {
            "go": lambda: progress.go(performance, now),
            "do": lambda: progress.do(performance, Activity("x", now)),
            "note": lambda: progress.note(performance, "x"),
            "done": lambda: progress.done(performance, now),
            "stop": lambda: progress.stop(performance, "x", now),
            "over": lambda: progress.over(performance, SUMMARY, now),
        }
        for name, event in events.items():
            if name not in fits:
                with pytest.raises(IllegalTransition):
                    event()

    @invariant()
    def its_phase_agrees_with_its_results(self) -> None:
        performance = self.performance
        assert len(performance.results) == performance.step + 1
        open_marks = [mark for mark in performance.results if mark.ended is None]
        assert len(open_marks) == (1 if performance.phase == "working" else 0)
        assert (performance.outcome != "") == (performance.phase in ("ending", "over"))
        assert (
            performance.is_over
            == (performance.summary is not None)
            == (performance.ended is not None)
        )
        if "over" in self.phases:
            assert self.phases[-2:] == ["ending", "over"]
        if performance.outcome == "passed":
            assert {mark.state for mark in performance.results} == {"done"}
            assert len(performance.results) == len(SCENARIO.act.steps)


TestTransitions = Transitions.TestCase
TestTransitions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_one_missed_expectation_makes_the_act_missed():
    performance = progress.begin(SCENARIO, "a test", NOW)
    for step in range(3):
        performance = progress.go(performance, NOW)
        if step == 1:
            performance = progress.note(performance, "not seen", "missed")
        performance = progress.done(performance, NOW)
    assert [mark.state for mark in performance.results] == ["done", "missed", "done"]
    assert (performance.phase, performance.outcome) == ("ending", "missed")
