"""The load test's light is the dashboard's: one rule, over the seconds before each moment."""

import pytest

from loadtests.light import light_times
from loadtests.measures import Measures
from loadtests.outcomes import FOLLOW, PLACE, REFUND
from loadtests.report.page import page
from loadtests.timeline import Timeline
from observatory.sla import LIGHT_LABELS, WINDOW_S
from tests.loadtests.arranged import judged


def timeline(*minutes: tuple[str, float]) -> Timeline:
    """A request a second, each minute with one status and one duration in milliseconds."""
    made = Timeline(width_s=1.0)
    for number, (status, ms) in enumerate(minutes):
        for second in range(60):
            made.at(60.0 * number + second).answered(status, ms)
    return made


@pytest.mark.parametrize(
    ("status", "ms", "state"),
    [
        ("201", 20.0, "good"), ("402", 999.0, "good"), ("201", 1000.0, "slow"),
        ("202", 20.0, "degraded"), ("503", 20.0, "failing"), ("000", 20.0, "failing"),
        ("499", 20.0, "failing"),
    ],
)  # fmt: skip
def test_a_light_follows_the_dashboard_s_rule(status: str, ms: float, state: str):
    (only,) = light_times(timeline((status, ms)))
    assert (only.state, only.label, only.seconds) == (state, LIGHT_LABELS[state], 60)


def test_a_light_is_about_the_seconds_before_each_moment():
    failing, good = light_times(timeline(("201", 20.0), ("503", 20.0), ("201", 20.0)))
    # Two of thirty requests are more than five in a hundred, one is not.
    assert (failing.state, failing.seconds) == ("failing", 60 - 1 + WINDOW_S - 2)
    assert good.seconds == 180 - failing.seconds


def test_without_a_request_there_is_no_light_and_none_between_requests():
    assert light_times(Timeline()) == ()
    made = Timeline(width_s=1.0)
    for at_s in (0.0, 99.0):
        made.at(at_s).answered("201", 5.0)
    good, none = light_times(made)
    assert (good.seconds, none.state, none.seconds) == (31, "none", 69)


def test_what_the_order_service_is_asked_counts_and_nothing_else():
    measures = Measures()
    for name, result in ((PLACE, "503 overloaded"), (FOLLOW, "none timeout"), (REFUND, "200")):
        measures.add_request(name, "failed", 10.0, result, trace_id="", key="")
    (slot,) = measures.timeline.slots.values()
    assert (slot.requests, slot.failed, slot.total_ms) == (2, 2, 20.0)


def test_the_report_shows_the_light():
    run = judged()
    _, shown = page(run).split("The light of orders")
    lights = light_times(run.measures.timeline)
    assert lights
    assert all(f"{each.label} <b>" in shown for each in lights)
