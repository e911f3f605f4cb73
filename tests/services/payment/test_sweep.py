"""The sweep, for a provider that cannot fence: what is captured after the cancel is given back."""

import asyncio

import pytest

from tests.services.payment.books import unrest, violations
from tests.services.payment.till import AMOUNT, Till, new_order


async def test_a_capture_after_the_cancel_is_swept_and_refunded(loose_till: Till):
    till, order_id = loose_till, new_order()
    till.gateway.script.append("late")
    await till.charge(order_id)
    cancelled = await till.cancel(order_id, "PAYMENT_TIMEOUT")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "CANCELLED")
    await till.gateway.land()
    assert "said over, still captured" in await violations(till.eyes)
    assert await till.sweep.run_once() == 1
    assert await till.state(order_id) == "REFUNDED"
    assert await till.ledger(order_id) == {"cap": AMOUNT, "ref": -AMOUNT}
    assert not await unrest(till.eyes)


async def test_a_swept_refund_without_an_answer_is_finished_by_the_prober(loose_till: Till):
    till, order_id = loose_till, new_order()
    till.gateway.script.extend(["late", ""])
    await till.charge(order_id)
    await till.cancel(order_id)
    await till.gateway.land()
    till.gateway.script.append("lost_response")
    await till.sweep.run_once()
    assert await till.state(order_id) == "REFUND_PENDING"
    assert (await till.cancel(order_id)).json()["state"] == "REFUNDED"
    assert not await unrest(till.eyes)


async def test_money_rightly_taken_is_left_alone(loose_till: Till):
    orders = [new_order() for _ in range(5)]
    for order_id in orders:
        await loose_till.charge(order_id)
    assert await loose_till.sweep.run_once() == 0
    assert {await loose_till.state(order_id) for order_id in orders} == {"SUCCEEDED"}


async def test_sweeping_again_finds_nothing_more(loose_till: Till):
    till, order_id = loose_till, new_order()
    till.gateway.script.append("late")
    await till.charge(order_id)
    await till.cancel(order_id)
    await till.gateway.land()
    assert [await till.sweep.run_once() for _ in range(3)] == [1, 0, 0]


async def test_two_sweeps_at_once_refund_once(loose_till: Till):
    till, order_id = loose_till, new_order()
    till.gateway.script.append("late")
    await till.charge(order_id)
    await till.cancel(order_id)
    await till.gateway.land()
    await asyncio.gather(till.sweep.run_once(), till.sweep.run_once())
    await till.probe()
    assert await till.ledger(order_id) == {"cap": AMOUNT, "ref": -AMOUNT}
    assert not await unrest(till.eyes)


async def test_more_captures_than_a_page_are_all_looked_at(
    loose_till: Till, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.payment.late_captures._PAGE", 3)
    till = loose_till
    orders = [new_order() for _ in range(8)]
    for order_id in orders:
        till.gateway.script.append("late")
        till.gateway.script.append("")
        await till.charge(order_id)
        await till.cancel(order_id)
    await till.gateway.land()
    found = sum([await till.sweep.run_once() for _ in range(2)])
    assert found == 8
    assert not await unrest(till.eyes)


async def test_a_capture_this_database_never_heard_of_is_booked_and_refunded(loose_till: Till):
    till, order_id = loose_till, new_order()
    await till.gateway.charge(f"ord_{order_id}:1", str(order_id), AMOUNT, "EUR")
    assert await till.sweep.run_once() == 1
    assert await till.state(order_id) == "REFUNDED"
    assert await till.ledger(order_id) == {"cap": AMOUNT, "ref": -AMOUNT}
    assert not await unrest(till.eyes)


async def test_a_capture_for_a_tombstone_needs_a_human(loose_till: Till):
    till, order_id = loose_till, new_order()
    await till.cancel(order_id)
    await till.gateway.charge(f"ord_{order_id}:1", str(order_id), AMOUNT, "EUR")
    await till.sweep.run_once()
    assert await till.eyes.fetchval("SELECT needs_review FROM payments.payments")
    assert await till.state(order_id) == "CANCELLED"


@pytest.mark.parametrize("ref", ["not-an-order", "00000000-0000-4000-8000-000000000000"])
async def test_a_capture_under_a_key_that_is_not_ours_is_left_to_a_human(
    loose_till: Till, ref: str, caplog: pytest.LogCaptureFixture
):
    await loose_till.gateway.charge("a-key-of-someone-else", ref, AMOUNT, "EUR")
    await loose_till.sweep.run_once()
    assert await loose_till.eyes.fetchval("SELECT state FROM gateway.charges") == "CAPTURED"
    assert "never asked for" in caplog.text
