"""Orders as they are listed, and the steps of one order's life."""

import pytest
from msgspec.structs import replace

from chassis.outcome import CallResult, Outcome
from frontend.orders import presenter
from frontend.orders.actions import cancel_toast
from frontend.queries import RECENT
from tests.frontend.samples import DETAILS, ORDER


def test_a_refusal_by_the_business_is_not_shown_as_a_failure():
    failed = replace(ORDER, status="FAILED", payment="FAILED")
    declined = presenter.order_row(replace(failed, reason="PAYMENT_DECLINED"))
    broken = presenter.order_row(replace(failed, reason="PAYMENT_TIMEOUT"))
    assert (declined.state, broken.state) == ("refused", "failed")


def test_an_open_order_has_no_latency_yet():
    row = presenter.order_row(replace(ORDER, status="PENDING_PAYMENT", settled_at=None))
    assert (row.state, row.latency_ms) == ("degraded", None)


def test_too_many_orders_show_the_newest_and_name_the_rest():
    view = presenter.orders(tuple(ORDER for _ in range(RECENT + 1)))
    assert (len(view.rows), view.more) == (RECENT, True)


def test_repeated_tries_are_one_step_with_a_count():
    steps = presenter.story(DETAILS).steps
    assert [(step.word, step.times) for step in steps] == [
        ("Placed", 1),
        ("Stock unclear", 2),
        ("Confirmed", 1),
    ]
    assert (steps[1].after_ms, steps[1].last_ms) == (2000, 3000)


@pytest.mark.parametrize(
    ("status", "attempts", "labels"),
    [
        ("PENDING", 0, ("not asked yet", "not asked yet")),
        ("PENDING_INVENTORY", 0, ("no answer yet", "not asked yet")),
        ("PENDING_PAYMENT", 0, ("nothing recorded", "not asked yet")),
        ("PENDING_PAYMENT", 2, ("nothing recorded", "no answer yet")),
        ("CANCELLING", 0, ("nothing recorded", "nothing recorded")),
        ("FAILED", 0, ("nothing recorded", "nothing recorded")),
    ],
)
def test_who_was_asked_and_did_not_answer_is_not_called_not_asked(status, attempts, labels):
    order = replace(ORDER, status=status, attempts=attempts, payment=None)
    view = presenter.story(replace(DETAILS, order=order, reservation=None))
    assert (view.reservation.word, view.payment.word) == labels


def test_a_step_has_the_trace_that_made_it_and_the_one_that_last_tried():
    first, *rest = DETAILS.steps
    steps = [replace(first, trace_id="a"), *(replace(s, trace_id=s.at.isoformat()) for s in rest)]
    placed, unclear, _ = presenter.story(replace(DETAILS, steps=tuple(steps))).steps
    assert (placed.trace_id, placed.last_trace_id) == ("a", "a")
    assert [unclear.trace_id, unclear.last_trace_id] == [s.at.isoformat() for s in rest[:2]]


@pytest.mark.parametrize(
    ("status", "allowed"),
    [("PENDING", True), ("PENDING_PAYMENT", True), ("CANCELLING", False), ("CONFIRMED", False)],
)
def test_an_order_can_be_cancelled_until_it_is_decided(status, allowed):
    details = replace(DETAILS, order=replace(ORDER, status=status))
    assert presenter.story(details).cancellable is allowed


@pytest.mark.parametrize(("status", "word"), [(202, "Cancelling"), (200, "Cancelled")])
def test_what_is_cancelled_already_is_not_called_cancelling(status, word):
    assert cancel_toast(CallResult(Outcome.OK, status), ORDER.order_id).title == word
