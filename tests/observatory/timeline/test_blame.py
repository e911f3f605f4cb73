"""Several gremlins at once: each light is put down to those that can have done it, and no other."""

import pytest

from frontend.timeline import narrative
from tests.observatory.timeline.arranged import at, event, incidents_at, lights

GOOD = [(-9, "good", service) for service in ("inventory", "order", "payment")]


def row(diary, notes, now=30, which=-1):
    """One incident as it is told at `now`; the newest unless told otherwise."""
    each = incidents_at(diary, notes, now)[which]
    (made,) = narrative.timeline((each,), at(now)).rows
    return made, " ".join(made.sentences).replace("\u202f", " ")


def red_after(made):
    return made.figures[0].value.replace("\u202f", " ")


def test_a_light_is_put_down_to_the_gremlin_of_its_own_service():
    diary = [event(0, service="payment"), event(10)]
    made, sentences = row(diary, lights(*GOOD, (24, "slow", "inventory")))
    assert "Inventory turned red 14 s after Slow request 3 s on inventory." in sentences
    assert "payments" not in sentences.split("Loose for")[0]
    assert red_after(made) == "14 s"


def test_a_caller_s_light_may_show_any_of_whom_it_waits_for():
    diary = [event(0, service="payment"), event(10)]
    made, sentences = row(diary, lights(*GOOD, (26, "slow", "order")))
    assert (
        "Orders turned red 26 s after Slow request 3 s on payments"
        " or 16 s after Slow request 3 s on inventory: which of them did it cannot be told."
        in sentences
    )
    assert red_after(made) == "16 s\u201326 s"


def test_one_that_takes_no_time_turns_no_light_red():
    diary = [event(0, name="error"), event(12)]
    made, sentences = row(diary, lights(*GOOD, (26, "slow", "inventory")))
    assert "Inventory turned red 14 s after Slow request 3 s on inventory." in sentences
    assert red_after(made) == "14 s"


def test_one_that_is_over_is_still_in_the_average():
    diary = [event(0), event(20, "calmed"), event(25, name="slow_database")]
    made, sentences = row(diary, lights(*GOOD, (31, "slow", "inventory")), now=40)
    assert "31 s after Slow request 3 s on inventory or 6.0 s after Slow database" in sentences
    assert red_after(made) == "6.0 s\u201331 s"
    _, before = row(diary, lights(*GOOD, (31, "slow", "inventory")), now=40, which=0)
    assert "No light was red before the next gremlin came" in before


def test_one_that_is_loose_explains_it_better_than_one_that_bites_no_more():
    diary = [event(0), event(20, "calmed"), event(30, name="slow_database")]
    made, sentences = row(diary, lights(*GOOD, (41, "slow", "inventory")), now=50)
    assert "Inventory turned red after 11 s." in sentences
    assert red_after(made) == "11 s"


def test_one_that_was_over_long_ago_is_not():
    diary = [event(0), event(20, "calmed"), event(100, name="slow_database")]
    _, sentences = row(diary, lights(*GOOD, (106, "slow", "inventory")), now=110)
    assert "Inventory turned red after 6.0 s." in sentences


def test_a_light_that_no_gremlin_explains_is_put_down_to_none():
    _, sentences = row([event(0)], lights(*GOOD, (9, "slow", "payment")))
    assert "Payments turned red after 9.0 s, with no gremlin that could explain it." in sentences


def test_green_is_counted_from_the_end_of_what_made_it_red():
    diary = [event(0), event(5, name="error"), event(40, "calmed"),
             event(90, "calmed", name="error")]  # fmt: skip
    notes = lights(*GOOD, (14, "slow", "inventory"), (66, "good", "inventory"))
    made, sentences = row(diary, notes, now=100)
    assert made.figures[1].value == "26\u202fs"
    assert "Every light was green 26 s after Slow request 3 s on inventory had ended." in sentences


def test_everybody_who_let_one_loose_is_named():
    diary = [event(0, actor="ana"), event(5, service="payment", actor="bob"),
             event(6, name="error", actor="ana")]  # fmt: skip
    made, _ = row(diary, lights(*GOOD))
    assert made.actor == "ana and bob"


def test_who_called_the_last_one_off_is_named():
    diary = [event(0), event(5, service="payment"), event(20, "calmed", actor="cem")]
    diary.append(event(22, "calmed", service="payment", actor="dan"))
    _, sentences = row(diary, lights(*GOOD))
    assert "The last of 2 gremlins was called off by dan after 22 s." in sentences


@pytest.mark.parametrize("counts", [(300, 4), (300, 0), (300, None)])
def test_bites_are_counted_for_each_gremlin(counts):
    diary = [event(0), event(5, name="error", probability=0.3, status=503)]
    (each,) = incidents_at(diary, lights(*GOOD), 30)
    each = type(each)(each.windows, counts=counts)
    (made,) = narrative.timeline((each,), at(30)).rows
    sentences = " ".join(made.sentences).replace("\u202f", " ")
    other = " and Errors 503 (30 %) on inventory 4 times" if counts[1] else ""
    assert f"They bit {300 + (counts[1] or 0)} times: " in sentences
    assert f"Slow request 3 s on inventory 300 times{other}." in sentences
