"""One payment's page: its state in words, its attempts on one axis, and nothing unescaped."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from frontend.payments import presenter
from frontend.payments.panels import payment_panel, payments_panel
from frontend.payments.records import (
    BreakerChange,
    PaymentFilter,
    PaymentPage,
    StateChange,
    UnpaidRequest,
)
from frontend.web.formatting import money
from observatory.timeline.fault_windows import FaultWindow
from tests.frontend.payment_samples import BEGAN, DETAILS, PAYMENT, ROUTE, TRY
from tests.frontend.samples import DOWN, HOSTILE, NOW, show

UNKNOWN = replace(
    TRY,
    state="UNKNOWN",
    states=(TRY.states[0], StateChange("UNKNOWN", BEGAN + timedelta(seconds=1))),
)


def seconds(number):
    return BEGAN + timedelta(seconds=number)


def shown(payment=PAYMENT, tries=(TRY,), windows=(), breakers=()):
    details = replace(DETAILS, payment=payment, tries=tries, breakers=breakers)
    return presenter.payment(details, windows, NOW)


def test_an_unanswered_account_is_named_and_nothing_is_guessed():
    view = shown(replace(PAYMENT, state="PROCESSING"), (UNKNOWN,))
    assert (view.title, view.state, view.settled) == ("In doubt", "degraded", False)
    assert "alfa did not answer" in view.why
    assert "no other account is tried" in view.why


@pytest.mark.parametrize(
    ("payment", "state", "title"),
    [
        (PAYMENT, "good", "Paid"),
        (replace(PAYMENT, state="FAILED", decline_code="expired_card"), "refused", "Declined"),
        (replace(PAYMENT, state="REFUNDED"), "refused", "Refunded"),
        (replace(PAYMENT, state="PROCESSING", needs_review=True), "failed", "On its way"),
    ],
)
def test_a_payment_s_state_has_a_title_and_a_mark(payment, state, title):
    view = shown(payment)
    assert (view.state, view.title) == (state, title)


def test_a_stored_reason_has_its_fee_as_money():
    reason = "It takes the whole amount for the least fee, 175."
    route = replace(ROUTE, reason=reason, inputs={"fee_minor": 175})
    view = presenter.payment(replace(DETAILS, decisions=(route,)), (), NOW)
    assert view.decisions[0].reason.endswith(f"fee, {money(175, PAYMENT.currency)}.")


def test_an_attempt_is_made_of_its_states_and_its_end_is_a_mark():
    (lane,) = shown().lanes
    assert [piece.state for piece in lane.pieces] == ["none", "good held", "good"]
    assert lane.pieces[1].x == lane.pieces[0].width
    voided = replace(
        TRY, state="VOIDED", states=(*TRY.states[:2], StateChange("VOIDED", seconds(2)))
    )
    (lane,) = shown(replace(PAYMENT, state="CANCELLED"), (voided,)).lanes
    assert lane.pieces[2].width == "0.4%"


def test_the_breaker_of_its_account_and_the_gremlin_of_the_time_lie_behind_it():
    opened = BreakerChange("alfa", "open", "no answer in time", seconds(-5))
    closed = BreakerChange("alfa", "closed", None, seconds(1))
    on_the_way = FaultWindow("acquirer", HOSTILE, "latency", "", "x", seconds(1), None)
    elsewhere = replace(on_the_way, service="inventory")
    before = replace(on_the_way, on=seconds(-9), off=seconds(-8))
    view = shown(windows=(on_the_way, elsewhere, before), breakers=(opened, closed))
    attempt, breaker, gremlin = view.lanes
    assert [band.state for band in attempt.bands] == ["degraded", "gremlin"]
    assert (breaker.label, breaker.word) == ("Breaker of alfa", "open: no answer in time")
    assert (gremlin.label, gremlin.state) == ("Gremlin on acquirer", "gremlin")


def test_a_gremlin_on_the_acquirer_is_not_behind_an_account_in_the_process():
    window = FaultWindow("acquirer", "x", "latency", "", "x", seconds(1), None)
    attempt, _ = shown(tries=(replace(TRY, provider="mock"),), windows=(window,)).lanes
    assert attempt.bands == ()


def test_what_came_from_outside_is_escaped():
    details = replace(DETAILS, payment=replace(PAYMENT, decline_code=HOSTILE))
    view = presenter.payment(details, (), NOW)
    page = PaymentPage((PAYMENT,), unpaid=(UnpaidRequest(HOSTILE, HOSTILE, 402, HOSTILE, NOW),))
    listed = presenter.payments(page, PaymentFilter(search="x"))
    for html in (
        show(payment_panel(PAYMENT.payment_id, view)),
        show(payments_panel(PaymentFilter(search=HOSTILE), listed)),
    ):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


def test_a_payment_that_is_over_no_longer_asks():
    settled = show(payment_panel(PAYMENT.payment_id, shown()))
    moving = show(payment_panel(PAYMENT.payment_id, shown(replace(PAYMENT, state="PROCESSING"))))
    assert "hx-get" not in settled
    assert "hx-get" in moving


def test_the_panels_stand_without_a_database_and_without_a_payment():
    empty = presenter.payments(PaymentPage(()), PaymentFilter())
    assert "No payment yet" in show(payments_panel(PaymentFilter(), empty))
    nothing = presenter.payments(PaymentPage(()), PaymentFilter(state="FAILED"))
    assert "No payment fits" in show(payments_panel(PaymentFilter(state="FAILED"), nothing))
    for panel in (payment_panel("x", DOWN), payments_panel(PaymentFilter(), DOWN)):
        assert "No answer in time" in show(panel)
