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
    assert labels.order_label("NEW_THING", None) == ("none", "New thing", "")


def test_every_state_has_a_mark_of_its_own():
    layout = (TEMPLATES / "web/layout.html").read_text()
    marks = dict(re.findall(r'<symbol id="mark-(\w+)"[^>]*>(.*?)</symbol>', layout))
    assert set(marks) == {*get_args(labels.State), "failing", "gremlin"}
    assert len(set(marks.values())) == len(marks)
