"""What an incident is, and what the lights did in it."""

from msgspec.structs import replace

from frontend.timeline import narrative
from observatory.timeline.incident import Incident, OrdersMeanwhile
from tests.observatory.timeline.arranged import at, event, incidents_at, lights

CALMED = [event(0), event(60, "calmed")]


def sentences(incident: Incident, now: float) -> str:
    (row,) = narrative.timeline((incident,), at(now)).rows
    return " ".join(row.sentences)


def figures(incident, now=1000):
    (row,) = narrative.timeline((incident,), at(now)).rows
    return [figure.value.replace("\u202f", " ") for figure in row.figures]


def test_red_after_green_after():
    (each,) = incidents_at(CALMED, lights((-9, "good"), (14, "slow"), (87, "good")), 100)
    assert (each.first_red_at, each.last_red_at) == (at(14), at(87))
    assert figures(each) == ["14 s", "27 s", ""]
    assert "Inventory turned red after 14" in sentences(each, 100)
    assert "Called off after 60" in sentences(each, 100)
    assert "Every light was green 27" in sentences(each, 100)


def test_the_phases_follow_each_other():
    notes = lights((-9, "good"), (14, "slow"))
    assert [each.phase for each in incidents_at(CALMED[:1], notes, 20)] == ["loose"]
    (each,) = incidents_at(CALMED, notes, 70)
    assert each.phase == "red"
    assert "Inventory is still red" in sentences(each, 70)
    (each,) = incidents_at(CALMED, lights((-9, "good"), (14, "slow"), (87, "good")), 90)
    assert each.phase == "settling"
    done = OrdersMeanwhile(118, 7, 0, at(66))
    over = Incident(each.windows, each.reds, each.had_traffic, orders=done)
    assert over.phase == "over"
    assert figures(over) == ["14 s", "27 s", "6.0 s"]
    assert "118 orders were placed meanwhile, 7 still open" in sentences(over, 100)
    paid = replace(over, orders=OrdersMeanwhile(0, 0, 0, None, payments=190))
    assert "190 payments were made meanwhile, none left open" in sentences(paid, 100)
    nobody = replace(over, orders=OrdersMeanwhile(0, 0, 0, None))
    assert "Nobody ordered or paid meanwhile" in sentences(nobody, 100)


def test_gremlins_that_overlap_are_one_incident():
    diary = [event(0), event(30, service="payment"), event(60, "calmed"),
             event(90, "calmed", service="payment")]  # fmt: skip
    notes = lights((-9, "good"), (14, "slow"), (95, "good"))
    (each,) = incidents_at(diary, notes, 100)
    assert (len(each.windows), each.on, each.off) == (2, at(0), at(90))
    # It was inventory's light, and its gremlin ended after sixty seconds.
    assert figures(each)[:2] == ["14 s", "35 s"]
    (row,) = narrative.timeline((each,), at(100)).rows
    assert row.title == "Slow request 3 s on inventory and Slow request 3 s on payments"
    assert [lane.state for lane in row.lanes] == ["gremlin", "gremlin", "failed"]


def test_one_that_comes_before_green_cuts_the_story_short():
    diary = [*CALMED, event(70, service="payment")]
    first, second = incidents_at(diary, lights((-9, "good"), (14, "slow"), (120, "good")), 130)
    assert first.cut_at == at(70)
    assert first.last_red_at is None
    assert first.phase == "settling"
    assert "The next gremlin came before" in sentences(first, 130)
    assert second.first_red_at is None
    assert "Inventory had been red already" in sentences(second, 130)


def test_one_that_runs_out_says_so():
    (each,) = incidents_at(
        [event(0, ttl_s=60)], lights((-9, "good"), (14, "slow"), (87, "good")), 100
    )
    assert "Ran out by itself after 60" in sentences(each, 100)
    assert figures(each)[1] == "27 s"


def test_without_traffic_no_light_can_change():
    (each,) = incidents_at(CALMED, lights((-9, "none")), 200)
    assert figures(each)[:2] == ["", ""]
    assert "There was no traffic" in sentences(each, 200)


def test_traffic_that_ends_leaves_grey_and_not_green():
    (each,) = incidents_at(CALMED, lights((-9, "good"), (14, "slow"), (87, "none")), 100)
    assert "nobody ordered any more" in sentences(each, 100)


def test_a_shop_that_stays_fast_is_reported_as_such():
    (each,) = incidents_at(CALMED, lights((-9, "good")), 70)
    assert "No light is red so far" in sentences(each, 70)
    assert "No light turned red" in sentences(each, 200)


def test_a_light_that_turns_red_long_after_has_another_reason():
    (each,) = incidents_at(CALMED, lights((-9, "good"), (300, "slow"), (400, "good")), 500)
    assert each.reds == ()


def test_a_short_one_is_still_seen_in_the_average_after_its_end():
    diary = [event(0), event(8, "calmed")]
    (each,) = incidents_at(diary, lights((-9, "good"), (12, "slow"), (40, "good")), 100)
    assert figures(each)[:2] == ["12 s", "32 s"]


def test_a_light_that_flickers_is_green_when_it_stays_so():
    notes = lights((-9, "good"), (10, "slow"), (20, "good"), (30, "slow"), (80, "good"))
    (each,) = incidents_at(CALMED, notes, 100)
    assert len(each.reds[0].spans) == 2
    assert figures(each)[:2] == ["10 s", "20 s"]


def test_every_light_counts_and_the_last_one_decides():
    notes = lights(
        (-9, "good"), (-8, "good", "order"), (12, "slow"), (16, "slow", "order"),
        (80, "good"), (90, "good", "order"),
    )  # fmt: skip
    (each,) = incidents_at(CALMED, notes, 100)
    assert [red.service for red in each.reds] == ["inventory", "order"]
    assert figures(each)[:2] == ["12 s", "30 s"]


def test_what_nobody_watched_is_not_made_up():
    (each,) = incidents_at(CALMED, lights((90, "good")), 100)
    assert "before this dashboard was started" in sentences(each, 100)
    (each,) = incidents_at(CALMED, lights((30, "slow"), (80, "good")), 100)
    assert figures(each)[:2] == ["", "20 s"]
    assert "is not known: this dashboard was not started yet" in sentences(each, 100)
    assert narrative.reaction((each,)).text == ""


def test_the_last_reaction_in_one_line():
    (each,) = incidents_at(CALMED, lights((-9, "good"), (14, "slow"), (87, "good")), 100)
    assert narrative.reaction((each,)).text == "Last: red in 14\u202fs, green in 27\u202fs"
    (each,) = incidents_at(CALMED[:1], lights((-9, "good"), (14, "slow")), 20)
    assert narrative.reaction((each,)).text == "Last: red in 14\u202fs"


def test_a_light_that_fails_is_red_whatever_kind_of_gremlin_did_it_and_both_reds_are_one():
    audit = [event(0, name="error"), event(60, "calmed", name="error")]
    notes = lights((-9, "good"), (4, "failing"), (20, "slow"), (87, "good"))
    (each,) = incidents_at(audit, notes, 100)
    (red,) = each.reds
    assert (red.spans, red.first) == (((at(4), at(87)),), "failing")
    assert [cause.name for cause in red.causes] == ["error"]
    assert "turned red (“Failing”) after 4" in sentences(each, 100)
