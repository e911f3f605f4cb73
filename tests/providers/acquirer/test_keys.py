"""Idempotency keys as Stripe documents them: the first result is stored and replayed."""

import asyncio
import uuid

import asyncpg
import httpx
import pytest
import stripe

from tests.providers.acquirer.conftest import TOKEN

FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": TOKEN}
PAID = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}


def a_key():
    return {"idempotency_key": str(uuid.uuid4())}


def test_the_same_key_makes_one_payment_and_answers_the_same(api):
    key = a_key()
    first = api.payment_intents.create(PAID, key)
    again = api.payment_intents.create(PAID, key)
    assert again == first
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.headers["original-request"] == first.last_response.request_id
    assert again.last_response.request_id != first.last_response.request_id


def test_a_decline_is_a_result_and_is_replayed(api):
    key, charges = a_key(), set()
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            api.payment_intents.create({**PAID, "payment_method": "pm_card_chargeDeclined"}, key)
        charges.add(declined.value.error.charge)
    assert len(charges) == 1


def test_the_same_key_with_other_parameters_is_an_error_and_changes_nothing(api):
    key = a_key()
    first = api.payment_intents.create(PAID, key)
    with pytest.raises(stripe.IdempotencyError) as reused:
        api.payment_intents.create({**PAID, "amount": 1001}, key)
    assert reused.value.http_status == 400
    # What would not even be valid is refused for its key as well.
    with pytest.raises(stripe.IdempotencyError):
        api.payment_intents.create({**PAID, "amount": -1}, key)
    # So is the same text at another address.
    with pytest.raises(stripe.IdempotencyError):
        api.refunds.create({"payment_intent": first.id}, key)


def test_what_is_refused_before_work_began_is_not_stored(api):
    key = a_key()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.create({**PAID, "currency": "xyz"}, key)
    assert refused.value.param == "currency"
    assert api.payment_intents.create(PAID, key).status == "succeeded"


def test_a_500_is_stored_and_the_client_does_not_ask_again(client, operator):
    """After the effect: the key says 500 for ever, and the intent's id would find the money."""
    api, key = client(max_network_retries=2).v1, a_key()
    intent = api.payment_intents.create({"amount": 1000, "currency": "usd"})
    operator("PUT", "/accounts/alfa/mode", {"mode": "500"})
    asked = []
    for _ in range(2):
        with pytest.raises(stripe.APIError) as broken:
            api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, key)
        assert broken.value.http_status == 500
        asked.append(broken.value.headers["request-id"])
        operator("PUT", "/accounts/alfa/mode", {"mode": "happy"})
    assert len(set(asked)) == 2
    assert api.payment_intents.retrieve(intent.id).status == "succeeded"


def test_accounts_do_not_share_keys(client, api):
    key = a_key()
    other = client("bravo").v1.payment_intents.create({"amount": 100, "currency": "eur"}, key)
    assert api.payment_intents.create(PAID, key).id != other.id


async def test_a_key_whose_request_is_still_running_is_a_conflict(url, fleet):
    """The first waits for the intent's row, which somebody holds."""
    async with httpx.AsyncClient(base_url=url, auth=("sk_test_alfa", "")) as http:
        made = await http.post("/v1/payment_intents", data={"amount": 1000, "currency": "usd"})
        intent_id = made.json()["id"]
        confirm, paid = (
            f"/v1/payment_intents/{intent_id}/confirm",
            {"payment_method": "pm_card_visa"},
        )
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        holder = await asyncpg.connect(fleet.database_url)
        try:
            async with holder.transaction():
                await holder.execute(
                    "SELECT 1 FROM acquirer.intents WHERE id = $1 FOR UPDATE", intent_id
                )
                first = asyncio.create_task(http.post(confirm, data=paid, headers=headers))
                while not await holder.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                ):
                    await asyncio.sleep(0.01)
                second = await http.post(confirm, data=paid, headers=headers)
        finally:
            await holder.close()
        assert second.status_code == 409
        error = second.json()["error"]
        assert error["type"] == "idempotency_error"
        # The official library leaves the code in `error.error`: a 409 is none of its own classes.
        assert error["code"] == "idempotency_key_in_use"
        assert second.headers["stripe-should-retry"] == "true"
        assert (await first).json()["status"] == "succeeded"
        third = await http.post(confirm, data=paid, headers=headers)
        assert third.headers["idempotent-replayed"] == "true"


async def test_after_24_hours_a_key_is_a_new_request(api, fleet):
    key = a_key()
    first = api.payment_intents.create(PAID, key)
    connection = await asyncpg.connect(fleet.database_url)
    await connection.execute(
        "UPDATE acquirer.idempotency_keys SET created_at = now() - interval '24 hours 1 second'"
        " WHERE key = $1",
        key["idempotency_key"],
    )
    await connection.close()
    second = api.payment_intents.create(PAID, key)
    assert second.id != first.id
    assert api.payment_intents.create(PAID, key).id == second.id
