"""An order's life on one axis: what the book says and what its traces say, to one scale."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from frontend.orders.presenter import life
from frontend.query_results import AttemptFacts, StepFacts, StoryFacts
from observatory.store.model import moment
from observatory.store.store import TraceQuery
from tests.frontend.arranged import ORDER
from tests.frontend.recorded import ORDER_ID, recorded
from tests.observatory.samples import NOW_NS

BEGAN = moment(NOW_NS)


def at(seconds):
    return BEGAN + timedelta(seconds=seconds)


def tried(number, *states):
    return AttemptFacts(number, "mock", states[-1][0], "", states[-1][1], states)


# Placed, bitten for two seconds, left to the reconciler, paid at the second try, over after ten.
FACTS = StoryFacts(
    replace(ORDER, order_id=ORDER_ID, created_at=at(0), settled_at=at(10)),
    (
        StepFacts("PENDING", None, "", at(0)),
        StepFacts("PENDING_INVENTORY", None, "", at(2)),
        StepFacts("PENDING_PAYMENT", None, "", at(4)),
        StepFacts("CONFIRMED", None, "", at(9)),
    ),
    "COMMITTED",
    "SUCCEEDED",
    (
        tried(1, ("IN_FLIGHT", at(5)), ("FAILED", at(6))),
        tried(2, ("IN_FLIGHT", at(7)), ("SUCCEEDED", at(8))),
    ),
    (at(4), at(10)),
)


def drawn(facts=FACTS, now_s=20):
    rows = recorded().find(TraceQuery(order_id=ORDER_ID))
    shown = life(facts, rows, at(now_s))
    return shown, {lane.label: lane for lane in shown.lanes}


def spans(lane):
    """(begin in seconds, length in seconds, state) of each piece, on an axis of ten seconds."""
    return [
        (
            pytest.approx(float(piece.x[:-1]) / 10, abs=0.05),
            pytest.approx(float(piece.width[:-1]) / 10, abs=0.05),
            piece.state,
        )
        for piece in lane.pieces
    ]


def test_states_reservation_attempts_faults_and_traces_share_one_axis():
    shown, lanes = drawn()
    assert list(lanes) == ["State", "Stock", "Money", "Faults met"]
    assert shown.total.replace("\u202f", " ") == "10.00 s"
    assert spans(lanes["State"]) == [
        (0, 2, "degraded"), (2, 2, "degraded"), (4, 5, "degraded"), (9, 1, "good"),
    ]  # fmt: skip
    assert spans(lanes["Stock"]) == [(4, 6, "degraded"), (10, 0, "good")]
    assert spans(lanes["Money"])[:2] == [(5, 1, "degraded"), (6, 4, "refused")]
    assert spans(lanes["Money"])[2:] == [(7, 1, "degraded"), (8, 2, "good")]
    assert spans(lanes["Faults met"]) == [(0, 2.05, "gremlin")]
    assert lanes["Faults met"].word == "latency"
    assert [float(row.x[:-1]) / 10 for row in shown.rows] == pytest.approx([0, 4], abs=0.05)


def test_an_open_order_s_axis_goes_on_until_now():
    order = replace(FACTS.order, status="PENDING_PAYMENT", settled_at=None)
    facts = replace(
        FACTS, order=order, steps=FACTS.steps[:3], attempts=(), reserved_at=(at(4), at(4))
    )
    shown, lanes = drawn(replace(facts, reservation="HELD", payment=None))
    assert shown.total.replace("\u202f", " ") == "20.00 s"
    assert list(lanes) == ["State", "Stock", "Faults met"]
    (held,) = lanes["Stock"].pieces
    assert (held.x, held.width, held.state) == ("20%", "80%", "degraded")
    assert drawn(facts, now_s=40)[0].total.replace("\u202f", " ") == "40.00 s"


def test_without_the_book_the_traces_stand_by_themselves():
    shown, lanes = drawn(None)
    assert list(lanes) == ["Faults met"]
    assert len(shown.rows) == 2


def test_without_traces_the_book_stands_by_itself():
    shown = life(FACTS, (), at(20))
    assert [lane.label for lane in shown.lanes] == ["State", "Stock", "Money"]
    assert shown.rows == ()


def test_of_an_unknown_order_nothing_is_drawn():
    assert life(None, (), at(20)).total == ""
