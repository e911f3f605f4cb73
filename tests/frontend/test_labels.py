"""Every code the services speak has a word for people, and the right shape beside it."""

import re
from typing import get_args

import pytest

from chassis.faults.kinds import DELAYING, KINDS, Kind
from frontend.web import labels
from frontend.web.templating import TEMPLATES
from services.inventory.contract import ReservationView
from services.order.contract import Reason, Status
from services.payment.contract import AttemptView, PaymentView


def test_every_kind_of_gremlin_has_a_label():
    assert {kind.kind for kind in KINDS} == set(get_args(Kind))


def test_a_kind_that_delays_has_a_slider_and_no_other_has():
    assert {kind.kind for kind in KINDS if kind.delay_ms} == DELAYING


def test_every_status_and_every_reason_has_a_label():
    assert set(get_args(Status)) <= set(labels.ORDER_LABELS)
    assert set(get_args(Reason)) <= set(labels.REASON_LABELS)


@pytest.mark.parametrize(
    ("struct", "field", "known"),
    [
        (ReservationView, "state", labels.RESERVATION_LABELS),
        (PaymentView, "state", labels.PAYMENT_LABELS),
        (AttemptView, "state", labels.ATTEMPT_LABELS),
    ],
)
def test_every_state_of_the_others_has_a_label(struct, field, known):
    assert set(get_args(struct.__annotations__[field])) == set(known)


def test_an_unknown_status_is_shown_rather_than_hidden():
    assert labels.order_label("NEW_THING", None, None) == ("none", "New thing", "")


PAYMENTS = (None, *get_args(PaymentView.__annotations__["state"]))
SHOWN = {
    "PENDING": dict.fromkeys(PAYMENTS, ("degraded", "Placed")),
    "PENDING_INVENTORY": dict.fromkeys(PAYMENTS, ("degraded", "Stock unclear")),
    "PENDING_PAYMENT": {
        None: ("degraded", "Payment open"),
        "PROCESSING": ("degraded", "Payment open"),
        "SUCCEEDED": ("degraded", "Paid"),
        "FAILED": ("degraded", "Payment declined"),
        "CANCELLING": ("degraded", "Payment cancelled"),
        "CANCELLED": ("degraded", "Payment cancelled"),
        "REFUND_PENDING": ("degraded", "Payment cancelled"),
        "REFUNDED": ("degraded", "Payment cancelled"),
    },
    "CONFIRMED": {
        None: ("failed", "Confirmed, not paid"),
        "PROCESSING": ("failed", "Confirmed, not paid"),
        "SUCCEEDED": ("good", "Confirmed"),
        "FAILED": ("failed", "Confirmed, not paid"),
        "CANCELLING": ("failed", "Confirmed, not paid"),
        "CANCELLED": ("failed", "Confirmed, not paid"),
        "REFUND_PENDING": ("degraded", "Being refunded"),
        "REFUNDED": ("refused", "Refunded"),
    },
    "CANCELLING": dict.fromkeys(PAYMENTS, ("degraded", "Cancelling")),
    "FAILED": {
        None: ("refused", "Cancelled"),
        "PROCESSING": ("degraded", "Cancelled"),
        "SUCCEEDED": ("failed", "Cancelled, but paid"),
        "FAILED": ("refused", "Cancelled"),
        "CANCELLING": ("degraded", "Cancelled"),
        "CANCELLED": ("refused", "Cancelled"),
        "REFUND_PENDING": ("degraded", "Cancelled"),
        "REFUNDED": ("refused", "Cancelled"),
    },
}
NOT_CHARGED = {None, "FAILED", "CANCELLED"}


def test_an_order_is_called_what_it_is_together_with_its_payment():
    assert set(SHOWN) == set(get_args(Status))
    for status, row in SHOWN.items():
        assert set(row) == set(PAYMENTS)
        for payment, (state, word) in row.items():
            shown = labels.order_label(status, "USER_CANCELLED", payment)
            assert shown[:2] == (state, word), (status, payment)
            assert ("Paid for" in shown[2]) == ((status, payment) == ("CONFIRMED", "SUCCEEDED"))


@pytest.mark.parametrize("reason", [None, *get_args(Reason)])
def test_a_closed_order_says_nothing_was_charged_only_where_that_is_so(reason):
    for payment in PAYMENTS:
        state, _, sentence = labels.order_label("FAILED", reason, payment)
        assert ("Nothing was charged" in sentence) == (payment in NOT_CHARGED)
        assert ("refunded" in sentence) == (payment in {"REFUND_PENDING", "REFUNDED"})
        assert (state == "degraded") == (payment in {"PROCESSING", "CANCELLING", "REFUND_PENDING"})
        assert state != "good"


def test_every_state_has_a_mark_of_its_own():
    layout = (TEMPLATES / "web/layout.html").read_text()
    marks = dict(re.findall(r'<symbol id="mark-(\w+)"[^>]*>(.*?)</symbol>', layout))
    assert set(marks) == {*get_args(labels.State), "failing", "gremlin"}
    assert len(set(marks.values())) == len(marks)
