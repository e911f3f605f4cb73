"""The diary's events, paired into the time each gremlin was on."""

from hypothesis import given
from hypothesis import strategies as st

from observatory.timeline.fault_windows import fault_windows, loose_among
from tests.observatory.timeline.arranged import at, event


def test_on_and_off():
    (window,) = fault_windows([event(0), event(61, "calmed")], at(100))
    assert (window.on, window.off) == (at(0), at(61))
    assert (window.ended, window.ended_by, window.detail) == ("calmed", "dashboard", "3 s")


def test_one_that_is_loose_has_no_end():
    (window,) = fault_windows([event(0)], at(100))
    assert window.off is None
    assert loose_among([window], at(50)) == (window,)
    assert loose_among([window], at(-1)) == ()


def test_one_that_ran_out_ended_when_it_stopped_biting_and_not_when_that_was_written_down():
    detail = {"started_at": at(0).isoformat(), "expires_at": at(60).isoformat()}
    (window,) = fault_windows([event(0, ttl_s=60), event(62.5, "expired", **detail)], at(100))
    assert (window.off, window.ended, window.ended_by) == (at(60), "expired", "")


def test_one_whose_end_nobody_wrote_down_is_over_all_the_same():
    (window,) = fault_windows([event(0, ttl_s=60)], at(61))
    assert (window.off, window.ended) == (at(60), "expired")


def test_a_change_is_the_same_gremlin_with_more_time():
    (window,) = fault_windows(
        [event(0, ttl_s=60), event(50, "changed", ttl_s=60, delay_ms=900)], at(100)
    )
    assert (window.on, window.off, window.detail) == (at(0), None, "0.9 s")


def test_a_change_after_its_end_is_another_one():
    # The row is still there for a moment, so the service calls it a change.
    first, second = fault_windows([event(0, ttl_s=10), event(11, "changed")], at(20))
    assert (first.on, first.off) == (at(0), at(10))
    assert (second.on, second.off) == (at(11), None)


def test_an_end_whose_beginning_fell_out_of_the_diary_still_says_when_it_began():
    detail = {"started_at": at(-500).isoformat(), "delay_ms": 2000, "started_by": "ann"}
    (window,) = fault_windows([event(0, "calmed", **detail)], at(10))
    assert (window.on, window.off, window.actor) == (at(-500), at(0), "ann")
    (unknown,) = fault_windows([event(0, "calmed")], at(10))
    assert unknown.on == unknown.off == at(0)


def test_the_same_name_at_two_services_is_two_gremlins():
    found = fault_windows([event(0), event(1, service="payment"), event(5, "calmed")], at(10))
    assert [(each.service, each.off) for each in found] == [
        ("inventory", at(5)),
        ("payment", None),
    ]


_actions = st.sampled_from(["started", "changed", "calmed", "expired"])
_events = st.builds(event, st.integers(0, 400), _actions, st.sampled_from(["a", "b"]))


@given(st.lists(_events, max_size=12))
def test_whatever_the_diary_says_times_are_in_order_and_do_not_overlap(diary):
    found = fault_windows(diary, at(500))
    assert list(found) == sorted(found, key=lambda window: window.on)
    for name in ("a", "b"):
        mine = [window for window in found if window.name == name]
        assert all(window.off is None or window.off >= window.on for window in mine)
        assert sum(window.off is None for window in mine) <= 1
