"""Charging: once per order and key, answered the same for ever, refused after a cancel."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from chassis.settings import Settings
from tests.services.payment.books import unrest
from tests.services.payment.till import AMOUNT, Till, new_order, open_till


async def test_a_charge_is_captured_once_and_booked(till: Till):
    order_id = new_order()
    answer = await till.charge(order_id)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/payments/{order_id}"
    assert "idempotent-replayed" not in answer.headers
    view = answer.json()
    assert (view["order_id"], view["state"]) == (str(order_id), "SUCCEEDED")
    assert (view["amount_minor"], view["currency"]) == (AMOUNT, "EUR")
    assert [attempt["state"] for attempt in view["attempts"]] == ["SUCCEEDED"]
    assert await till.book(order_id) == ["CAPTURED"]
    assert await till.ledger(order_id) == {"cap": AMOUNT}
    assert not await unrest(till.eyes)


async def test_the_provider_key_names_order_and_attempt(till: Till):
    order_id = new_order()
    await till.charge(order_id)
    keys = [
        await till.eyes.fetchval("SELECT gw_key FROM payments.attempts"),
        await till.eyes.fetchval("SELECT gw_key FROM gateway.charges"),
    ]
    assert keys == [f"ord_{order_id}:1"] * 2


async def test_a_repeated_charge_is_answered_with_the_same_bytes(till: Till):
    order_id = new_order()
    first = await till.charge(order_id)
    again = await till.charge(order_id)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert till.gateway.calls == 1


async def test_a_repeat_after_doubt_was_resolved_is_the_resolved_answer_for_ever(till: Till):
    order_id = new_order()
    till.gateway.script.append("lost_response")
    assert (await till.charge(order_id)).status_code == 202
    await till.probe()
    first, second = await till.charge(order_id), await till.charge(order_id)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content


async def test_a_declined_charge_stays_declined_with_the_same_bytes(strict_till: Till):
    order_id = new_order()
    first = await strict_till.charge(order_id)
    again = await strict_till.charge(order_id)
    assert first.status_code == 402
    assert first.headers["content-type"] == "application/problem+json"
    problem = first.json()
    assert problem["code"] == problem["error"]["code"] == "payment-declined"
    assert problem["details"]["order_id"] == str(order_id)
    assert problem["details"]["decline_code"]
    assert problem["trace_id"] == first.headers["x-trace-id"]
    assert (again.status_code, again.content) == (402, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await strict_till.show(order_id)).json()["state"] == "FAILED"
    assert await strict_till.ledger(order_id) == {}
    assert not await unrest(strict_till.eyes)


async def test_fifty_concurrent_charges_of_one_order_are_one_capture(till: Till):
    order_id = new_order()
    answers = await asyncio.gather(*(till.charge(order_id) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await till.book(order_id) == ["CAPTURED"]
    assert await till.ledger(order_id) == {"cap": AMOUNT}
    assert await till.attempts(order_id) == ["SUCCEEDED"]


async def test_two_replicas_charging_one_order_are_one_capture(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    order_id = new_order()
    async with (
        open_till(payment_settings(), connection) as one,
        open_till(payment_settings(), connection) as other,
    ):
        answers = await asyncio.gather(
            *(till.charge(order_id) for till in (one, other) for _ in range(10))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert await one.book(order_id) == ["CAPTURED"]
        assert not await unrest(connection)


async def test_the_same_key_with_another_amount_is_refused(till: Till):
    order_id = new_order()
    await till.charge(order_id)
    answer = await till.charge(order_id, AMOUNT + 1)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert 'rel="describedby"' in answer.headers["link"]
    assert await till.ledger(order_id) == {"cap": AMOUNT}


async def test_the_same_key_for_another_order_is_refused(till: Till):
    one, other = new_order(), new_order()
    key = f"charge-{one}"
    await till.charge(one, key=key)
    answer = await till.charge(other, key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert (await till.show(other)).status_code == 404
    assert await till.book(other) == []


@pytest.mark.parametrize(("amount", "currency"), [(AMOUNT + 1, "EUR"), (AMOUNT, "USD")])
async def test_an_order_is_not_charged_over_something_else_under_another_key(
    till: Till, amount: int, currency: str
):
    order_id = new_order()
    await till.charge(order_id)
    answer = await till.charge(order_id, amount, currency, key="another-key-of-the-order")
    assert (answer.status_code, answer.json()["code"]) == (422, "payment-mismatch")
    assert await till.book(order_id) == ["CAPTURED"]


async def test_an_order_under_another_key_is_told_what_there_is(till: Till):
    order_id = new_order()
    first = await till.charge(order_id)
    answer = await till.charge(order_id, key="another-key-of-the-order")
    assert (answer.status_code, answer.content) == (200, first.content)
    assert "idempotent-replayed" not in answer.headers
    assert till.gateway.calls == 1


async def test_one_key_spelled_the_same_twice_at_once_for_two_orders_charges_one(till: Till):
    orders = [new_order() for _ in range(10)]
    answers = await asyncio.gather(
        *(till.charge(order_id, key="one-key-for-all-orders") for order_id in orders)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 9
    assert await till.eyes.fetchval("SELECT count(*) FROM gateway.charges") == 1


@pytest.mark.parametrize("kept", ["open", "waiting"])
async def test_a_charge_whose_caller_has_no_time_left_starts_nothing(till: Till, kept: str):
    order_id = new_order()
    if kept == "open":
        till.gateway.script.append("lost_request")
        await till.charge(order_id)
    calls = till.gateway.calls
    answer = await till.charge(order_id, headers={"X-Timeout-Ms": "0"})
    assert answer.status_code == 504
    assert till.gateway.calls == calls


async def test_a_hurried_caller_bounds_the_wait_for_the_gateway(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    async with open_till(payment_settings(), connection, silence_s=60.0) as till:
        till.gateway.script.append("lost_response")
        async with asyncio.timeout(10):
            answer = await till.charge(new_order(), headers={"X-Timeout-Ms": "1000"})
        assert answer.status_code == 202


async def test_a_payment_can_be_looked_up(till: Till):
    order_id = new_order()
    charged = await till.charge(order_id)
    assert (await till.show(order_id)).content == charged.content
    missing = await till.show(new_order())
    assert (missing.status_code, missing.json()["code"]) == (404, "payment-not-found")
    assert (await till.http.get("/payments/not-a-uuid")).status_code == 400


async def test_the_trace_that_opened_the_payment_is_kept(till: Till):
    order_id = new_order()
    answer = await till.charge(order_id)
    kept = await till.eyes.fetchval("SELECT traceparent FROM payments.payments")
    assert answer.headers["x-trace-id"] in kept
