"""Accounts: their limits, their modes and the file that they settle by; card numbers stay out."""

import csv
import datetime

import httpx
import pytest
import stripe

from providers.acquirer.domain import TRANSITIONS, Account
from tests.providers.acquirer.conftest import TOKEN

FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": TOKEN}
PAID = {"currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
# No test card: this number is only in this file.
NUMBER = "4539578763621486"


async def test_the_machine_of_intents_is_the_one_that_the_database_enforces(tables):
    rows = await tables.fetch("SELECT src, dst FROM acquirer.transitions")
    assert {tuple(row) for row in rows} == TRANSITIONS


@pytest.mark.parametrize(
    ("basis_points", "fixed", "captured", "fee"),
    [(150, 25, 1000, 40), (290, 0, 100, 3), (200, 10, 1, 11), (0, 0, 99_999_999, 0)],
)
def test_a_fee_is_rounded_up_once(basis_points, fixed, captured, fee):
    now = datetime.datetime.now(datetime.UTC)
    account = Account("a", "", "", basis_points, fixed, 1, 1, 1, 0.0, 0, "happy", now)
    assert account.fee_minor(captured) == fee


async def test_past_its_capacity_of_the_day_an_account_takes_nothing(api, tables):
    await tables.execute("UPDATE acquirer.accounts SET daily_capacity_minor=2000 WHERE name='alfa'")
    await tables.execute("DELETE FROM acquirer.volumes")
    held = api.payment_intents.create({**PAID, "amount": 1500, "capture_method": "manual"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.create({**PAID, "amount": 501})
    assert refused.value.code == "charge_exceeds_source_limit"
    # What is held and not captured makes room again.
    api.payment_intents.capture(held.id, {"amount_to_capture": 1000})
    assert api.payment_intents.create({**PAID, "amount": 1000}).status == "succeeded"
    await tables.execute("UPDATE acquirer.accounts SET daily_capacity_minor=1e10 WHERE name='alfa'")


async def test_an_authorisation_that_is_too_old_can_no_longer_be_captured(api, tables):
    held = api.payment_intents.create({**PAID, "amount": 1000, "capture_method": "manual"})
    await tables.execute(
        "UPDATE acquirer.charges SET created_at = now() - interval '8 days' WHERE intent = $1",
        held.id,
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.capture(held.id)
    assert refused.value.code == "charge_expired_for_capture"
    assert api.payment_intents.retrieve(held.id).status == "canceled"


def test_only_the_operator_sets_a_mode(url, operator):
    assert operator("PUT", "/accounts/bravo/mode", {"mode": "latency"}).json()["mode"] == "latency"
    put = httpx.put(f"{url}/accounts/bravo/mode", json={"mode": "happy"})
    assert put.status_code == 401
    faults = httpx.put(f"{url}/webhook-faults", json={})
    assert faults.status_code == 401
    accounts = httpx.get(f"{url}/accounts")
    assert {each["name"]: each["mode"] for each in accounts.json()["accounts"]} == {
        "alfa": "happy", "bravo": "latency", "charlie": "happy", "wallets": "happy",
    }  # fmt: skip
    assert "sk_test" not in accounts.text
    assert operator("PUT", "/accounts/nobody/mode", {"mode": "happy"}).status_code == 404
    for name in ("nobody%00", "NOBODY"):
        assert operator("PUT", f"/accounts/{name}/mode", {"mode": "happy"}).status_code == 400
    assert operator("PUT", "/accounts/bravo/mode", {"mode": "sleepy"}).status_code == 400


def test_the_settlement_file_has_a_line_for_each_capture_and_each_refund(api, url):
    paid = api.payment_intents.create({**PAID, "amount": 1000})
    refund = api.refunds.create({"payment_intent": paid.id, "amount": 250})

    def file_of(day):
        answer = httpx.get(
            f"{url}/settlement", params={"date": str(day)}, auth=("sk_test_alfa", "")
        )
        assert answer.headers["content-type"].startswith("text/csv")
        return list(csv.DictReader(answer.text.splitlines()))

    created = datetime.datetime.fromtimestamp(refund.created, datetime.UTC)
    lines = {line["source"]: line for line in file_of(created.date())}
    taken, given = lines[paid.latest_charge], lines[refund.id]
    assert (taken["type"], taken["amount_minor"], taken["fee_minor"], taken["net_minor"]) == (
        "charge", "1000", "40", "960",
    )  # fmt: skip
    assert (given["type"], given["amount_minor"], given["net_minor"]) == ("refund", "-250", "-250")
    assert {line["payment_intent"] for line in (taken, given)} == {paid.id}
    assert file_of("2020-02-29") == []
    wrong = httpx.get(f"{url}/settlement?date=yesterday", auth=("sk_test_alfa", ""))
    assert wrong.json()["error"]["param"] == "date"


async def test_a_card_number_is_in_no_table_and_no_log(api, operator, fleet, tables):
    card = {"number": NUMBER, "exp_month": 12, "exp_year": 2040}
    method = api.payment_methods.create({"type": "card", "card": card})
    api.payment_intents.create({**PAID, "amount": 1000, "payment_method": method.id})
    with pytest.raises(stripe.CardError):
        api.payment_methods.create({"type": "card", "card": {**card, "exp_month": 0}})
    shown = [operator("GET", "/metrics").text, fleet.log("acquirer")]
    for table in await tables.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'acquirer'"
    ):
        rows = await tables.fetch(f"SELECT t::text AS row FROM acquirer.{table['table_name']} t")
        shown += [row["row"] for row in rows]
    assert len(shown) > 20
    assert not [each for each in shown if NUMBER in each or NUMBER.encode().hex() in each]
    assert [each for each in shown if "1486" in each]
