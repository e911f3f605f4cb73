"""Payments through the official client: confirmed, captured, canceled, refunded, listed."""

import pytest
import stripe

FLEET_KEYS = ("acquirer",)
VISA = {"payment_method": "pm_card_visa"}


def pay(api, amount=1000, currency="usd", card="pm_card_visa", **more):
    return api.payment_intents.create(
        {"amount": amount, "currency": currency, "payment_method": card, "confirm": True, **more}
    )


def test_an_intent_is_created_confirmed_and_retrieved(api):
    made = api.payment_intents.create(
        {"amount": 1999, "currency": "eur", "metadata": {"order": "7"}, "description": "A mug"}
    )
    assert (made.object, made.status, made.latest_charge) == (
        "payment_intent", "requires_payment_method", None,
    )  # fmt: skip
    paid = api.payment_intents.confirm(made.id, VISA)
    assert (paid.status, paid.amount_received, paid.amount_capturable) == ("succeeded", 1999, 0)
    assert paid == api.payment_intents.retrieve(made.id)
    assert (paid.metadata.order, paid.description) == ("7", "A mug")
    assert api.payment_methods.retrieve(paid.payment_method).card.last4 == "4242"


def test_money_that_is_held_is_captured_in_part_and_the_rest_released(api):
    held = pay(api, capture_method="manual")
    assert (held.status, held.amount_capturable, held.amount_received) == (
        "requires_capture", 1000, 0,
    )  # fmt: skip
    taken = api.payment_intents.capture(held.id, {"amount_to_capture": 400})
    assert (taken.status, taken.amount_received) == ("succeeded", 400)
    charge = api.charges.retrieve(taken.latest_charge)
    assert (charge.captured, charge.amount_captured) == (True, 400)
    with pytest.raises(stripe.InvalidRequestError) as second:
        api.payment_intents.capture(held.id)
    assert second.value.code == "payment_intent_unexpected_state"


def test_what_is_held_is_released_by_a_cancel_and_can_be_neither_captured_nor_refunded(api):
    held = pay(api, capture_method="manual")
    canceled = api.payment_intents.cancel(held.id, {"cancellation_reason": "duplicate"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")
    for ask in (api.payment_intents.capture, api.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            ask(held.id)
        assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="nothing to refund"):
        api.refunds.create({"payment_intent": held.id})


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_a_declined_card_is_an_error_with_its_intent_and_another_card_may_pay(
    api, card, code, decline_code
):
    with pytest.raises(stripe.CardError) as declined:
        pay(api, card=card)
    error = declined.value
    assert (error.http_status, error.code) == (402, code)
    assert error.error.decline_code == decline_code
    intent = error.error.payment_intent
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == code
    charge = api.charges.retrieve(error.error.charge)
    assert (charge.paid, charge.status, charge.outcome.reason) == (False, "failed", decline_code)
    assert api.payment_intents.confirm(intent.id, VISA).status == "succeeded"


def test_a_card_that_must_authenticate_waits_for_its_customer_or_is_declined_without_one(api):
    waiting = pay(api, card="pm_card_authenticationRequired")
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "use_stripe_sdk")
    assert api.payment_intents.cancel(waiting.id).status == "canceled"
    with pytest.raises(stripe.CardError) as declined:
        pay(api, card="pm_card_authenticationRequired", off_session=True)
    assert declined.value.code == "authentication_required"


def test_a_card_is_exchanged_for_a_payment_method_that_pays(api):
    card = {"number": "5555 5555 5555 4444", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = api.payment_methods.create({"type": "card", "card": card})
    assert (method.card.brand, method.card.last4, method.card.exp_year) == (
        "mastercard", "4444", 2040,
    )  # fmt: skip
    assert pay(api, card=method.id).payment_method == method.id
    again = api.payment_methods.create({"type": "card", "card": card})
    assert again.id != method.id
    assert again.card.fingerprint == method.card.fingerprint
    at_once = {"payment_method_data": {"type": "card", "card": card}, "confirm": True}
    made = api.payment_intents.create({"amount": 500, "currency": "usd", **at_once})
    assert made.status == "succeeded"


def test_refunds_come_in_parts_and_never_exceed_what_was_captured(api):
    paid = pay(api)
    first = api.refunds.create({"payment_intent": paid.id, "amount": 300, "reason": "duplicate"})
    assert (first.status, first.amount, first.charge) == ("succeeded", 300, paid.latest_charge)
    with pytest.raises(stripe.InvalidRequestError) as too_much:
        api.refunds.create({"charge": paid.latest_charge, "amount": 701})
    assert too_much.value.code == "amount_too_large"
    rest = api.refunds.create({"charge": paid.latest_charge})
    assert rest.amount == 700
    with pytest.raises(stripe.InvalidRequestError) as over:
        api.refunds.create({"charge": paid.latest_charge})
    assert over.value.code == "charge_already_refunded"
    charge = api.charges.retrieve(paid.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 1000)
    assert {each.id for each in api.refunds.list({"charge": charge.id})} == {first.id, rest.id}


def test_an_answer_shows_what_is_expanded_in_it(api):
    paid = pay(api, expand=["latest_charge.balance_transaction"])
    line = paid.latest_charge.balance_transaction
    # Alfa costs 1.5 % and 25 minor units, rounded up.
    assert (line.amount, line.fee, line.net, line.source) == (
        1000, 40, 960, paid.latest_charge.id,
    )  # fmt: skip
    listed = api.payment_intents.list({"limit": 1, "expand": ["data.latest_charge"]})
    assert listed.data[0].latest_charge.id == paid.latest_charge.id
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        pay(api, expand=["customer"])


def test_lists_are_paged_through_in_both_directions(client):
    api = client("bravo").v1
    made = [api.payment_intents.create({"amount": 100 + n, "currency": "usd"}).id for n in range(7)]
    newest_first = made[::-1]
    through = api.payment_intents.list({"limit": 3}).auto_paging_iter()
    assert [each.id for each in through] == newest_first
    before = api.payment_intents.list({"limit": 3, "ending_before": made[0]})
    assert [each.id for each in before.auto_paging_iter()] == made[1:]
    page = api.payment_intents.list({"limit": 2, "starting_after": made[5]})
    assert ([each.id for each in page.data], page.has_more) == (newest_first[2:4], True)
    since = api.payment_intents.list({"created": {"gt": 4_000_000_000}})
    assert since.data == []


def test_the_balance_is_the_sum_of_its_transactions(client):
    """Charlie declines one card in twenty by itself: what was paid is asked for."""
    api = client("charlie").v1
    for n in range(6):
        try:
            paid = pay(api, amount=1000 + n, currency="eur")
        except stripe.CardError:
            continue
        api.refunds.create({"payment_intent": paid.id, "amount": 100 * n + 1})
    lines = list(api.balance_transactions.list({"limit": 2}).auto_paging_iter())
    assert {line.type for line in lines} == {"charge", "refund"}
    (available,) = api.balance.retrieve().available
    assert (available.currency, available.amount) == ("eur", sum(line.net for line in lines))


def test_an_account_sees_nothing_of_another(client, api):
    paid = pay(api)
    other = client("bravo").v1
    for ask in (
        lambda: other.payment_intents.retrieve(paid.id),
        lambda: other.payment_intents.cancel(paid.id),
        lambda: other.charges.retrieve(paid.latest_charge),
        lambda: other.refunds.create({"payment_intent": paid.id}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as unknown:
            ask()
        assert unknown.value.code == "resource_missing"


def test_an_amount_past_the_account_s_limits_or_its_capacity_of_the_day_is_refused(client):
    api = client("charlie").v1
    for amount, code in ((99, "amount_too_small"), (10_000_001, "amount_too_large")):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            pay(api, amount=amount)
        assert refused.value.code == code


def test_the_library_s_global_style_works_as_well(url, monkeypatch):
    monkeypatch.setattr(stripe, "api_base", url)
    monkeypatch.setattr(stripe, "api_key", "sk_test_alfa")
    made = stripe.PaymentIntent.create(amount=500, currency="usd", **VISA)
    assert stripe.PaymentIntent.confirm(made.id).status == "succeeded"
    response = stripe.PaymentIntent.retrieve(made.id).last_response
    assert response.headers["stripe-version"] == stripe.api_version
    assert response.request_id.startswith("req_")
