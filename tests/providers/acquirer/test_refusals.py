"""Bad input: each has Stripe's own code, names its parameter, and changes nothing."""

import httpx
import pytest
import stripe

FLEET_KEYS = ("acquirer",)
MADE = {"amount": 1000, "currency": "usd"}
HOOK = {"url": "http://127.0.0.1:9", "enabled_events": ["*"]}
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040}


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({**MADE, "amount": 0}, "parameter_invalid_integer", "amount"),
        ({**MADE, "amount": -5}, "parameter_invalid_integer", "amount"),
        ({**MADE, "amount": 10.5}, "parameter_invalid_integer", "amount"),
        ({**MADE, "amount": "1e3"}, "parameter_invalid_integer", "amount"),
        ({**MADE, "amount": 49}, "amount_too_small", "amount"),
        ({**MADE, "amount": 100_000_000}, "amount_too_large", "amount"),
        ({**MADE, "amount": 2**70}, "parameter_invalid_integer", "amount"),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 1000}, "parameter_missing", "currency"),
        ({**MADE, "currency": "xyz"}, None, "currency"),
        ({"amount": 1005, "currency": "kwd"}, None, "amount"),
        ({"amount": 1050, "currency": "isk"}, None, "amount"),
        ({**MADE, "colour": "red"}, "parameter_unknown", "colour"),
        ({**MADE, "automatic_payment_methods": {"x": 1}}, "parameter_unknown",
         "automatic_payment_methods[x]"),
        ({**MADE, "payment_method_types": ["sepa_debit"]}, None, "payment_method_types"),
        ({**MADE, "payment_method": "pm_of_nobody"}, "resource_missing", "payment_method"),
        ({**MADE, "capture_method": "later"}, None, "capture_method"),
        ({**MADE, "metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
        ({**MADE, "metadata": {"k" * 41: "v"}}, None, "metadata[" + "k" * 40 + "]"),
        ({**MADE, "description": "x" * 501}, None, "description"),
        ({**MADE, "description": "a\x00b"}, None, "description"),
    ],
)  # fmt: skip
def test_a_parameter_that_does_not_fit_is_named(api, parameters, code, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.create(parameters)
    error = refused.value
    assert (error.http_status, error.code, error.param) == (400, code, param)


def test_what_is_not_offered_is_refused_and_says_so(api):
    with pytest.raises(stripe.InvalidRequestError, match="search is not supported here") as unknown:
        api.payment_intents.search({"query": "amount>1"})
    assert unknown.value.http_status == 404
    token = {"type": "card", "card": {"token": "tok_visa"}}
    name = "payment_method_data[card][token]"
    with pytest.raises(stripe.InvalidRequestError, match="is not supported here") as refused:
        api.payment_intents.create({**MADE, "confirm": True, "payment_method_data": token})
    assert refused.value.param == name


@pytest.mark.parametrize(
    ("card", "code", "field"),
    [
        ({"number": "4242424242424241"}, "incorrect_number", "number"),
        ({"number": "42424242"}, "incorrect_number", "number"),
        ({"number": "4242 4242 abcd 4242"}, "invalid_number", "number"),
        ({"exp_month": 13}, "invalid_expiry_month", "exp_month"),
        ({"exp_year": 2020}, "invalid_expiry_year", "exp_year"),
        ({"exp_year": 2999}, "invalid_expiry_year", "exp_year"),
        ({"cvc": "12"}, "invalid_cvc", "cvc"),
    ],
)
def test_a_card_that_cannot_exist_is_a_card_error(api, card, code, field):
    with pytest.raises(stripe.CardError) as refused:
        api.payment_methods.create({"type": "card", "card": {**CARD, **card}})
    error = refused.value
    assert (error.http_status, error.code, error.param) == (402, code, f"card[{field}]")


def test_a_card_without_its_number_is_incomplete(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_methods.create({"type": "card", "card": {"exp_month": 1, "exp_year": 2040}})
    assert (refused.value.code, refused.value.param) == ("parameter_missing", "card[number]")


def test_who_shows_no_key_or_a_wrong_one_learns_nothing(client, url):
    with pytest.raises(stripe.AuthenticationError, match=r"sk_test_\*\*\*\*$"):
        client("nobody").v1.balance.retrieve()
    for shown in ({}, {"Authorization": "Basic !"}, {"Authorization": b"Bearer \xff"}):
        assert httpx.get(f"{url}/v1/balance", headers=shown).status_code == 401
    assert httpx.get(f"{url}/settlement", params={"date": "2026-11-28"}).status_code == 401


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda api: api.payment_intents.retrieve("pi_none"), "resource_missing"),
        (lambda api: api.payment_intents.confirm("pi_none"), "resource_missing"),
        (lambda api: api.refunds.create({}), "parameter_missing"),
        (lambda api: api.refunds.create({"charge": "ch_none"}), "resource_missing"),
        (lambda api: api.payment_intents.list({"limit": 101}), None),
        (lambda api: api.payment_intents.list({"starting_after": "pi_none"}), "resource_missing"),
        (lambda api: api.payment_intents.list({"created": {"gte": 10**18}}), None),
        (lambda api: api.payment_intents.list({"created": -1}), None),
        (lambda api: api.payment_intents.retrieve("pi_\x00"), None),
        (lambda api: api.webhook_endpoints.create({"url": "x", "enabled_events": ["*"]}), None),
        (lambda api: api.webhook_endpoints.create({**HOOK, "api_version": "2020-08-27"}), None),
        (lambda api: api.customers.list(), None),
    ],
)
def test_what_is_not_there_or_not_offered_is_refused(api, ask, code):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        ask(api)
    assert refused.value.code == code


def test_an_event_that_is_never_sent_cannot_be_enabled(api):
    events = ["charge.captured", "charge.teleported"]
    with pytest.raises(stripe.InvalidRequestError, match="must be one of") as refused:
        api.webhook_endpoints.create({**HOOK, "enabled_events": events})
    assert (refused.value.http_status, refused.value.param) == (400, "enabled_events[1]")


def test_another_account_cannot_be_asked_for(api, url):
    ask = {"stripe_account": "acct_1234"}
    for act in (lambda: api.balance.retrieve({}, ask), lambda: api.refunds.create({}, ask)):
        with pytest.raises(stripe.PermissionError, match="is not supported here") as refused:
            act()
        assert (refused.value.http_status, refused.value.error.code) == (403, "account_invalid")
    context = {"Stripe-Context": "acct_1234"}
    answer = httpx.get(f"{url}/v1/balance", headers=context, auth=("sk_test_alfa", ""))
    assert answer.status_code == 403


@pytest.mark.parametrize("version", ["tomorrow", "2026-13-45", "1999-01-01", "9999-01-01.x"])
def test_a_version_that_there_cannot_be_is_refused(api, version):
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version") as refused:
        api.payment_intents.create(MADE, {"stripe_version": version})
    assert refused.value.http_status == 400


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"amount=1000&currency=usd&amount=1", {}, 400),
        (b"amount[=1", {}, 400),
        (b"amount=%ff", {}, 400),
        (b"&".join(b"metadata[%d]=x" % n for n in range(101)), {}, 400),
        (b'{"amount": 1000}', {"content-type": "application/json"}, 400),
        (b"amount=1000&currency=usd", {"idempotency-key": "k" * 256}, 400),
        (b"x" * 70_000, {}, 413),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_in_the_same_envelope(
    url, content, headers, status
):
    form = {"content-type": "application/x-www-form-urlencoded", **headers}
    answer = httpx.post(
        f"{url}/v1/payment_intents", content=content, headers=form, auth=("sk_test_alfa", "")
    )
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["request-id"].startswith("req_")
