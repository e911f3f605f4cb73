"""Charging: once per order and key, answered the same for ever, refused after a cancel."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from chassis.settings import Settings
from tests.services.payment.money_checks import unsettled
from tests.services.payment.payment_service import (
    AMOUNT,
    Replica,
    new_order,
    open_replica,
    payment_of,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_charge_is_captured_once_and_booked(payments: Replica):
    order_id = new_order()
    answer = await payments.charge(order_id)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/payments/{payment_of(order_id)}"
    assert "idempotent-replayed" not in answer.headers
    view = answer.json()
    assert (view["order_id"], view["state"]) == (str(order_id), "SUCCEEDED")
    assert view["payment_id"] == str(payment_of(order_id))
    assert (view["amount_minor"], view["currency"]) == (AMOUNT, "EUR")
    assert [attempt["state"] for attempt in view["attempts"]] == ["SUCCEEDED"]
    assert await payments.captures(order_id) == ["CAPTURED"]
    assert await payments.ledger(order_id) == {"capture": AMOUNT}
    assert not await unsettled(payments.eyes)


async def test_the_provider_key_names_payment_leg_and_attempt(payments: Replica):
    order_id = new_order()
    await payments.charge(order_id)
    keys = [
        await payments.eyes.fetchval("SELECT gw_key FROM payments.attempts"),
        await payments.eyes.fetchval("SELECT gw_key FROM gateway.charges"),
    ]
    assert keys == [f"pay_{payment_of(order_id)}:1:1"] * 2


async def test_a_payment_has_a_leg_and_the_reason_for_its_provider(payments: Replica):
    payment_id = payment_of(order_id := new_order())
    await payments.charge(order_id)
    leg = await payments.eyes.fetchrow(
        "SELECT payment_id, leg_n, amount_minor, currency, provider FROM payments.legs"
    )
    assert tuple(leg) == (payment_id, 1, AMOUNT, "EUR", "flaky")
    decision = await payments.eyes.fetchrow(
        "SELECT payment_id, n, kind, leg_n, provider, reason, inputs FROM payments.decisions"
    )
    assert tuple(decision) == (
        payment_id, 1, "route", 1, "flaky", "It is the one connector that is configured.",
        '{"configured": ["flaky"]}',
    )  # fmt: skip
    assert await payments.eyes.fetchval(
        "SELECT sent_at >= created_at FROM payments.attempts WHERE payment_id = $1", payment_id
    )


async def test_without_an_id_a_new_payment_gets_one_and_an_old_one_is_found(payments: Replica):
    order_id = new_order()
    body = {"order_id": str(order_id), "amount_minor": AMOUNT, "currency": "EUR"}
    headers = {"Idempotency-Key": f"charge-{order_id}"}
    first, again = [
        await payments.http.post("/payments", json=body, headers=headers) for _ in range(2)
    ]
    assert first.status_code == 201
    assert (again.content, again.headers["location"]) == (first.content, first.headers["location"])
    assert again.headers["location"] == f"/payments/{first.json()['payment_id']}"


@pytest.mark.parametrize("key", ["", "another-key-of-the-order"])
async def test_another_payment_for_an_order_is_refused(payments: Replica, key: str):
    order_id = new_order()
    await payments.charge(order_id)
    for payment_id, other in ((payment_of(new_order()), order_id), (payment_of(order_id), None)):
        whose = other or new_order()
        answer = await payments.http.post(
            "/payments",
            json={"payment_id": str(payment_id), "order_id": str(whose), "amount_minor": AMOUNT,
                  "currency": "EUR"},
            headers={"Idempotency-Key": key or f"charge-{whose}"},
        )  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (422, "payment-mismatch")
        assert answer.json()["details"]["payment_id"] == str(payment_id)
    assert await payments.eyes.fetchval("SELECT count(*) FROM gateway.charges") == 1


async def test_a_repeated_charge_is_answered_with_the_same_bytes(payments: Replica):
    order_id = new_order()
    first = await payments.charge(order_id)
    again = await payments.charge(order_id)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert payments.gateway.calls == 1


async def test_a_repeat_after_doubt_was_resolved_is_the_resolved_answer_for_ever(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_response")
    assert (await payments.charge(order_id)).status_code == 202
    await payments.reconcile()
    first, second = await payments.charge(order_id), await payments.charge(order_id)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content


async def test_a_declined_charge_stays_declined_with_the_same_bytes(declining: Replica):
    order_id = new_order()
    first = await declining.charge(order_id)
    again = await declining.charge(order_id)
    assert first.status_code == 402
    assert first.headers["content-type"] == "application/problem+json"
    problem = first.json()
    assert problem["code"] == problem["error"]["code"] == "payment-declined"
    assert problem["details"]["order_id"] == str(order_id)
    assert problem["details"]["decline_code"]
    assert problem["trace_id"] == first.headers["x-trace-id"]
    assert (again.status_code, again.content) == (402, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await declining.show(order_id)).json()["state"] == "FAILED"
    assert await declining.ledger(order_id) == {}
    assert not await unsettled(declining.eyes)


async def test_fifty_concurrent_charges_of_one_order_are_one_capture(payments: Replica):
    order_id = new_order()
    answers = await asyncio.gather(*(payments.charge(order_id) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await payments.captures(order_id) == ["CAPTURED"]
    assert await payments.ledger(order_id) == {"capture": AMOUNT}
    assert await payments.attempts(order_id) == ["SUCCEEDED"]


async def test_two_replicas_charging_one_order_are_one_capture(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    order_id = new_order()
    async with (
        open_replica(payment_settings(), connection) as one,
        open_replica(payment_settings(), connection) as other,
    ):
        answers = await asyncio.gather(
            *(payments.charge(order_id) for payments in (one, other) for _ in range(10))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert await one.captures(order_id) == ["CAPTURED"]
        assert not await unsettled(connection)


async def test_the_same_key_with_another_amount_is_refused(payments: Replica):
    order_id = new_order()
    await payments.charge(order_id)
    answer = await payments.charge(order_id, AMOUNT + 1)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert 'rel="describedby"' in answer.headers["link"]
    assert await payments.ledger(order_id) == {"capture": AMOUNT}


async def test_the_same_key_for_another_order_is_refused(payments: Replica):
    one, other = new_order(), new_order()
    key = f"charge-{one}"
    await payments.charge(one, key=key)
    answer = await payments.charge(other, key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert (await payments.show(other)).status_code == 404
    assert await payments.captures(other) == []


@pytest.mark.parametrize(("amount", "currency"), [(AMOUNT + 1, "EUR"), (AMOUNT, "USD")])
async def test_an_order_is_not_charged_over_something_else_under_another_key(
    payments: Replica, amount: int, currency: str
):
    order_id = new_order()
    await payments.charge(order_id)
    answer = await payments.charge(order_id, amount, currency, key="another-key-of-the-order")
    assert (answer.status_code, answer.json()["code"]) == (422, "payment-mismatch")
    assert await payments.captures(order_id) == ["CAPTURED"]


async def test_an_order_under_another_key_is_answered_with_what_there_is(payments: Replica):
    order_id = new_order()
    first = await payments.charge(order_id)
    answer = await payments.charge(order_id, key="another-key-of-the-order")
    assert (answer.status_code, answer.content) == (200, first.content)
    assert "idempotent-replayed" not in answer.headers
    assert payments.gateway.calls == 1


async def test_one_key_spelled_the_same_twice_at_once_for_two_orders_charges_one(payments: Replica):
    orders = [new_order() for _ in range(10)]
    answers = await asyncio.gather(
        *(payments.charge(order_id, key="one-key-for-all-orders") for order_id in orders)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 9
    assert await payments.eyes.fetchval("SELECT count(*) FROM gateway.charges") == 1


@pytest.mark.parametrize("kept", ["open", "waiting"])
async def test_a_charge_whose_caller_has_no_time_left_starts_nothing(payments: Replica, kept: str):
    order_id = new_order()
    if kept == "open":
        payments.gateway.script.append("lost_request")
        await payments.charge(order_id)
    calls = payments.gateway.calls
    answer = await payments.charge(order_id, headers={"X-Timeout-Ms": "0"})
    assert answer.status_code == 504
    assert payments.gateway.calls == calls


async def test_a_hurried_caller_bounds_the_wait_for_the_gateway(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    async with open_replica(payment_settings(), connection, silence_s=60.0) as payments:
        payments.gateway.script.append("lost_response")
        async with asyncio.timeout(10):
            answer = await payments.charge(new_order(), headers={"X-Timeout-Ms": "1000"})
        assert answer.status_code == 202


async def test_a_payment_can_be_looked_up(payments: Replica):
    order_id = new_order()
    charged = await payments.charge(order_id)
    assert (await payments.show(order_id)).content == charged.content
    listed = await payments.http.get("/payments", params={"order_id": str(order_id)})
    assert listed.json() == {"payments": [charged.json()]}
    nothing = await payments.http.get("/payments", params={"order_id": str(new_order())})
    assert nothing.json() == {"payments": []}
    for wrong in ({}, {"order_id": "not-a-uuid"}):
        assert (await payments.http.get("/payments", params=wrong)).status_code == 400
    missing = await payments.show(new_order())
    assert (missing.status_code, missing.json()["code"]) == (404, "payment-not-found")
    assert (await payments.http.get("/payments/not-a-uuid")).status_code == 400


async def test_the_trace_that_opened_the_payment_is_kept(payments: Replica):
    order_id = new_order()
    answer = await payments.charge(order_id)
    kept = await payments.eyes.fetchval("SELECT traceparent FROM payments.payments")
    assert answer.headers["x-trace-id"] in kept
