"""An order's life on one axis: what the database holds and its traces, to one scale."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from frontend.orders.axis import life
from frontend.query_results import AttemptRecord, OrderDetails, StepRecord
from observatory.store.model import moment
from observatory.store.trace_search import TraceQuery
from tests.frontend.recorded_telemetry import ORDER_ID, recorded
from tests.frontend.samples import ORDER
from tests.observatory.samples import NOW_NS

BEGAN = moment(NOW_NS)


def at(seconds):
    return BEGAN + timedelta(seconds=seconds)


def attempt(number, *states):
    return AttemptRecord(number, "mock", states[-1][0], "", states[-1][1], states)


# Placed, bitten for two seconds, left to the reconciler, paid at the second try, over after ten.
DETAILS = OrderDetails(
    replace(ORDER, order_id=ORDER_ID, created_at=at(0), settled_at=at(10)),
    (
        StepRecord("PENDING", None, "", at(0)),
        StepRecord("PENDING_INVENTORY", None, "", at(2)),
        StepRecord("PENDING_PAYMENT", None, "", at(4)),
        StepRecord("CONFIRMED", None, "", at(9)),
    ),
    "COMMITTED",
    (
        attempt(1, ("IN_FLIGHT", at(5)), ("FAILED", at(6))),
        attempt(2, ("IN_FLIGHT", at(7)), ("SUCCEEDED", at(8))),
    ),
    (at(4), at(10)),
)


def axis_of(details=DETAILS, now_s=20):
    rows = recorded().find(TraceQuery(order_id=ORDER_ID))
    view = life(details, rows, at(now_s))
    return view, {lane.label: lane for lane in view.lanes}


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
    view, lanes = axis_of()
    assert list(lanes) == ["State", "Stock", "Money", "Faults met"]
    assert view.total.replace("\u202f", " ") == "10.00 s"
    assert spans(lanes["State"]) == [
        (0, 2, "degraded"), (2, 2, "degraded"), (4, 5, "degraded"), (9, 1, "good"),
    ]  # fmt: skip
    assert spans(lanes["Stock"]) == [(4, 6, "degraded"), (10, 0, "good")]
    assert spans(lanes["Money"])[:2] == [(5, 1, "degraded"), (6, 4, "refused")]
    assert spans(lanes["Money"])[2:] == [(7, 1, "degraded"), (8, 2, "good")]
    assert spans(lanes["Faults met"]) == [(0, 2.05, "gremlin")]
    assert lanes["Faults met"].word == "latency"
    assert [float(row.x[:-1]) / 10 for row in view.rows] == pytest.approx([0, 4], abs=0.05)


def test_an_open_order_s_axis_goes_on_until_now():
    order = replace(DETAILS.order, status="PENDING_PAYMENT", settled_at=None, payment=None)
    details = replace(
        DETAILS, order=order, steps=DETAILS.steps[:3], attempts=(), reserved_at=(at(4), at(4))
    )
    view, lanes = axis_of(replace(details, reservation="HELD"))
    assert view.total.replace("\u202f", " ") == "20.00 s"
    assert list(lanes) == ["State", "Stock", "Faults met"]
    (held,) = lanes["Stock"].pieces
    assert (held.x, held.width, held.state) == ("20%", "80%", "degraded")
    assert axis_of(details, now_s=40)[0].total.replace("\u202f", " ") == "40.00 s"


def test_without_the_order_the_traces_stand_by_themselves():
    view, lanes = axis_of(None)
    assert list(lanes) == ["Faults met"]
    assert len(view.rows) == 2


def test_without_traces_the_order_stands_by_itself():
    view = life(DETAILS, (), at(20))
    assert [lane.label for lane in view.lanes] == ["State", "Stock", "Money"]
    assert view.rows == ()


def test_of_an_unknown_order_nothing_is_axis_of():
    assert life(None, (), at(20)).total == ""
