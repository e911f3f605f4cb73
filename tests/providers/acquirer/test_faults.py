"""An acquirer that misbehaves: one charge a payment, whatever the network and the account do."""

import httpx
import pytest
import stripe

from tests.providers.acquirer.conftest import TOKEN
from tests.providers.acquirer.promises import broken_promises

FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": TOKEN}
KINDS = {
    "latency": {"probability": 0.2, "delay_ms": 20},
    "refuse": {"probability": 0.2},
    "error": {"probability": 0.2, "status": 500},
    "lost_response": {"probability": 0.2},
    "duplicate": {"probability": 0.2},
}


@pytest.fixture
def patient(client, monkeypatch):
    """A client that asks again often enough for any luck, without the pauses between."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)
    return client(max_network_retries=40).v1


LONG = pytest.param(2000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])


@pytest.mark.parametrize("payments", [15, LONG])
async def test_each_payment_is_one_charge_under_faults(patient, operator, tables, payments):
    """Every third is confirmed while the account fails after the effect: its id finds the money."""
    for kind, how in KINDS.items():
        answer = operator("PUT", f"/gremlins/{kind}", {"kind": kind, "ttl_s": 3600, **how})
        assert answer.status_code == 200, answer.text
    before = await tables.fetchval("SELECT count(*) FROM acquirer.intents")
    ids = []
    for n in range(payments):
        made = patient.payment_intents.create({"amount": 1000 + n, "currency": "usd"})
        ids.append(made.id)
        mode = "500" if n % 3 == 0 else "happy"
        await tables.execute("UPDATE acquirer.accounts SET mode=$1 WHERE name='alfa'", mode)
        try:
            patient.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
        except stripe.APIError:
            assert mode == "500"
        await tables.execute("UPDATE acquirer.accounts SET mode='happy'")
        assert patient.payment_intents.retrieve(made.id).status == "succeeded"
    rows = await tables.fetch(
        "SELECT intent, count(*) AS lines, sum(amount_minor)::int AS net"
        " FROM acquirer.balance_transactions WHERE intent = ANY($1) GROUP BY intent",
        ids,
    )
    assert {(row["intent"], row["lines"], row["net"]) for row in rows} == {
        (intent, 1, 1000 + n) for n, intent in enumerate(ids)
    }
    assert await broken_promises(tables) == {}
    # An intent that was made and whose answer was lost is found by its key, not made again.
    assert await tables.fetchval("SELECT count(*) FROM acquirer.intents") == before + len(ids)


def test_an_account_that_times_out_does_the_work_and_says_nothing(api, operator, url):
    made = api.payment_intents.create({"amount": 1000, "currency": "usd"})
    operator("PUT", "/accounts/alfa/mode", {"mode": "timeout"})
    with httpx.Client(base_url=url, auth=("sk_test_alfa", ""), timeout=0.5) as http:
        confirm = f"/v1/payment_intents/{made.id}/confirm"
        with pytest.raises(httpx.ReadTimeout):
            http.post(confirm, data={"payment_method": "pm_card_visa"})
    assert api.payment_intents.retrieve(made.id).status == "succeeded"


def test_an_account_declines_as_its_mode_has_it(api, operator):
    operator("PUT", "/accounts/alfa/mode", {"mode": "declined"})
    with pytest.raises(stripe.CardError) as declined:
        api.payment_intents.create(
            {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    assert declined.value.code == "card_declined"


def test_a_corrupt_answer_is_well_formed_and_wrong(api, operator):
    made = api.payment_intents.create({"amount": 1000, "currency": "usd"})
    operator("PUT", "/gremlins/liar", {"kind": "corrupt"})
    assert api.payment_intents.retrieve(made.id).amount in (1001, "1000")
    operator("DELETE", "/gremlins/liar")
    assert api.payment_intents.retrieve(made.id).amount == 1000
