"""Every code the services speak has a word for people, and the right shape beside it."""

import re
from typing import get_args

import pytest

from chassis.faults.kinds import DELAYING, KINDS, Kind
from frontend.overview.view_models import State
from frontend.web import labels
from frontend.web.templating import TEMPLATES
from services.inventory.contract import ReservationView
from services.order.contract import Reason, Status
from services.payment.contract import AttemptView, PaymentView


def test_every_kind_of_gremlin_has_words():
    assert {kind.kind for kind in KINDS} == set(get_args(Kind))


def test_a_kind_that_delays_has_a_slider_and_no_other_has():
    assert {kind.kind for kind in KINDS if kind.delay_ms} == DELAYING


@pytest.mark.parametrize("status", get_args(Status))
def test_every_status_has_words(status):
    assert status in labels.ORDER_WORDS


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_words(reason):
    assert reason in labels.REASON_WORDS


@pytest.mark.parametrize(
    ("struct", "field", "known"),
    [
        (ReservationView, "state", labels.RESERVATION_WORDS),
        (PaymentView, "state", labels.PAYMENT_WORDS),
        (AttemptView, "state", labels.ATTEMPT_WORDS),
    ],
)
def test_every_state_of_the_others_has_words(struct, field, known):
    assert set(get_args(struct.__annotations__[field])) == set(known)


def test_an_unknown_status_is_shown_rather_than_hidden():
    assert labels.order_words("NEW_THING", None) == ("none", "New thing", "")


def test_every_state_has_a_mark_of_its_own():
    layout = (TEMPLATES / "layout.html").read_text()
    drawn = dict(re.findall(r'<symbol id="mark-(\w+)"[^>]*>(.*?)</symbol>', layout))
    assert set(drawn) == {*get_args(State), "gremlin"}
    assert len(set(drawn.values())) == len(drawn)
