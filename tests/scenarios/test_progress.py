"""A performance goes its way and no other, and every way out leads through the calm."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scenarios import progress
from scenarios.progress import Activity, IllegalTransition
from scenarios.summary import Summary
from tests.scenarios.arranged import NOW, SCENARIO

CARD = Summary((), ())


class Course(RuleBasedStateMachine):
    """Any order of events."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.played = progress.begin(SCENARIO, "a test", NOW)
        self.way = ["waiting"]

    def _went(self, played: progress.Performance) -> None:
        self.now += timedelta(seconds=1)
        self.played = played
        if played.phase != self.way[-1]:
            self.way.append(played.phase)

    @precondition(lambda self: self.played.phase == "waiting")
    @rule()
    def go(self) -> None:
        self._went(progress.go(self.played, self.now))

    @precondition(lambda self: self.played.phase == "working")
    @rule()
    def do(self) -> None:
        self._went(progress.do(self.played, Activity("something", self.now, 3.0)))

    @precondition(lambda self: self.played.phase == "working")
    @rule()
    def see(self) -> None:
        self._went(progress.note(self.played, "seen"))

    @precondition(lambda self: self.played.phase == "working")
    @rule()
    def miss(self) -> None:
        self._went(progress.note(self.played, "not seen", "missed"))

    @precondition(lambda self: self.played.phase == "working")
    @rule()
    def skip(self) -> None:
        self._went(progress.note(self.played, "not waited for", "skipped"))

    @precondition(lambda self: self.played.phase == "working")
    @rule()
    def done(self) -> None:
        self._went(progress.done(self.played, self.now))

    @precondition(lambda self: self.played.phase in ("waiting", "working"))
    @rule()
    def stop(self) -> None:
        self._went(progress.stop(self.played, "enough", self.now))

    @precondition(lambda self: self.played.phase == "ending")
    @rule()
    def over(self) -> None:
        self._went(progress.over(self.played, CARD, self.now))

    @rule()
    def what_does_not_fit_is_refused(self) -> None:
        played, now = self.played, self.now
        fits = {
            "waiting": {"go", "stop"},
            "working": {"do", "note", "done", "stop"},
            "ending": {"over"},
            "over": set(),
        }[played.phase]
        events = {
            "go": lambda: progress.go(played, now),
            "do": lambda: progress.do(played, Activity("x", now)),
            "note": lambda: progress.note(played, "x"),
            "done": lambda: progress.done(played, now),
            "stop": lambda: progress.stop(played, "x", now),
            "over": lambda: progress.over(played, CARD, now),
        }
        for name, event in events.items():
            if name not in fits:
                with pytest.raises(IllegalTransition):
                    event()

    @invariant()
    def it_is_where_it_says(self) -> None:
        played = self.played
        assert len(played.marks) == played.step + 1
        open_marks = [mark for mark in played.marks if mark.ended is None]
        assert len(open_marks) == (1 if played.phase == "working" else 0)
        assert (played.outcome != "") == (played.phase in ("ending", "over"))
        assert played.is_over == (played.card is not None) == (played.ended is not None)
        if "over" in self.way:
            assert self.way[-2:] == ["ending", "over"]
        if played.outcome == "passed":
            assert {mark.course for mark in played.marks} == {"done"}
            assert len(played.marks) == len(SCENARIO.act.steps)


TestCourse = Course.TestCase
TestCourse.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_one_thing_missed_is_an_act_missed():
    played = progress.begin(SCENARIO, "a test", NOW)
    for step in range(3):
        played = progress.go(played, NOW)
        if step == 1:
            played = progress.note(played, "not seen", "missed")
        played = progress.done(played, NOW)
    assert [mark.course for mark in played.marks] == ["done", "missed", "done"]
    assert (played.phase, played.outcome) == ("ending", "missed")
