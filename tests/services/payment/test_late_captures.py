"""What is captured after a cancel, or was never asked for, is refunded whatever its time says."""

import asyncio
from datetime import timedelta

import pytest

from gateways import AttemptRef
from tests.services.payment.money_checks import unsettled, violations
from tests.services.payment.payment_service import AMOUNT, Replica, new_order, payment_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_capture_after_the_cancel_is_swept_and_refunded(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    payments.gateway.script.append("late")
    await payments.charge(order_id)
    cancelled = await payments.cancel(order_id, "PAYMENT_TIMEOUT")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "CANCELLED")
    await payments.gateway.land()
    assert "said over, still captured or held" in await violations(payments.eyes)
    assert await payments.late_captures.run_once() == 1
    assert await payments.state(order_id) == "REFUNDED"
    assert await payments.ledger(order_id) == {"capture": AMOUNT, "refund": -AMOUNT}
    assert not await unsettled(payments.eyes)


async def test_a_late_refund_without_an_answer_is_finished_by_the_reconciler(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    payments.gateway.script.extend(["late", ""])
    await payments.charge(order_id)
    await payments.cancel(order_id)
    await payments.gateway.land()
    payments.gateway.script.append("lost_response")
    await payments.late_captures.run_once()
    assert await payments.state(order_id) == "REFUND_PENDING"
    assert (await payments.cancel(order_id)).json()["state"] == "REFUNDED"
    assert not await unsettled(payments.eyes)


async def test_money_rightly_taken_is_left_alone(unfenced: Replica):
    orders = [new_order() for _ in range(5)]
    for order_id in orders:
        await unfenced.charge(order_id)
    assert await unfenced.late_captures.run_once() == 0
    assert {await unfenced.state(order_id) for order_id in orders} == {"SUCCEEDED"}


async def test_reading_the_captures_again_finds_nothing_more(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    payments.gateway.script.append("late")
    await payments.charge(order_id)
    await payments.cancel(order_id)
    await payments.gateway.land()
    assert [await payments.late_captures.run_once() for _ in range(3)] == [1, 0, 0]


async def test_two_readers_at_once_refund_once(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    payments.gateway.script.append("late")
    await payments.charge(order_id)
    await payments.cancel(order_id)
    await payments.gateway.land()
    await asyncio.gather(payments.late_captures.run_once(), payments.late_captures.run_once())
    await payments.reconcile()
    assert await payments.ledger(order_id) == {"capture": AMOUNT, "refund": -AMOUNT}
    assert not await unsettled(payments.eyes)


async def test_more_captures_than_a_page_are_all_looked_at(
    unfenced: Replica, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.payment.late_captures._PAGE", 3)
    payments = unfenced
    orders = [new_order() for _ in range(8)]
    for order_id in orders:
        payments.gateway.script.append("late")
        payments.gateway.script.append("")
        await payments.charge(order_id)
        await payments.cancel(order_id)
    await payments.gateway.land()
    found = sum([await payments.late_captures.run_once() for _ in range(2)])
    assert found == 8
    assert not await unsettled(payments.eyes)


async def test_a_capture_this_database_never_heard_of_is_booked_and_refunded(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    await payments.take_unasked(order_id)
    assert await payments.late_captures.run_once() == 1
    assert await payments.state(order_id) == "REFUNDED"
    assert await payments.ledger(order_id) == {"capture": AMOUNT, "refund": -AMOUNT}
    assert await payments.eyes.fetchval("SELECT kind FROM payments.decisions") == "adopt"
    # The order it was for, if there is one, is not charged again.
    assert (await payments.charge(order_id)).json()["code"] == "fenced"
    assert not await unsettled(payments.eyes)


async def test_a_capture_under_the_key_of_an_older_program_is_ours_as_well(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    await payments.take_unasked(order_id, key=f"ord_{payment_of(order_id)}:1")
    assert await payments.late_captures.run_once() == 1
    assert await payments.state(order_id) == "REFUNDED"
    assert await payments.captures(order_id) == ["REFUNDED"]


async def test_a_capture_for_a_tombstone_needs_a_human(unfenced: Replica):
    payments, order_id = unfenced, new_order()
    await payments.cancel(order_id)
    await payments.take_unasked(order_id)
    await payments.late_captures.run_once()
    assert await payments.eyes.fetchval("SELECT needs_review FROM payments.payments")
    assert await payments.state(order_id) == "CANCELLED"


@pytest.mark.parametrize("ref", ["not-an-order", "00000000-0000-4000-8000-000000000000"])
async def test_a_capture_under_a_key_that_is_not_ours_is_left_to_a_human(
    unfenced: Replica, ref: str, caplog: pytest.LogCaptureFixture
):
    someone_else = AttemptRef("a-key-of-someone-else", ref, AMOUNT, "EUR")
    await unfenced.gateway.authorise(someone_else, capture=True)
    await unfenced.late_captures.run_once()
    assert await unfenced.eyes.fetchval("SELECT state FROM gateway.charges") == "CAPTURED"
    assert "never asked for" in caplog.text


@pytest.mark.parametrize("age", [timedelta(minutes=5), timedelta(hours=2), timedelta(days=400)])
async def test_a_capture_stamped_earlier_than_those_read_before_is_refunded(
    unfenced: Replica, age: timedelta
):
    payments, order_id = unfenced, new_order()
    await payments.charge(new_order())
    await payments.late_captures.run_once()
    await payments.take_unasked(order_id)
    await payments.eyes.execute(
        "UPDATE gateway.charges SET captured_at = now() - $1::interval WHERE payment_ref = $2",
        age, str(payment_of(order_id)),
    )  # fmt: skip
    assert await payments.late_captures.run_once() == 1
    assert await payments.state(order_id) == "REFUNDED"


async def test_all_captures_are_read_a_page_a_turn_and_then_again(
    unfenced: Replica, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.payment.late_captures._PAGE", 2)
    for _ in range(5):
        await unfenced.charge(new_order())
    places = []
    for _ in range(4):
        await unfenced.late_captures.run_once()
        places.append(
            await unfenced.eyes.fetchval(
                "SELECT count(*) FROM gateway.charges c, payments.sweeps s WHERE s.pass = 'all'"
                " AND (c.captured_at, c.gw_key) <= (s.captured_at, s.gw_key)"
            )
        )
    assert places == [2, 4, 0, 2]


async def test_where_it_stopped_is_known_after_a_restart(unfenced: Replica):
    await unfenced.charge(new_order())
    await unfenced.late_captures.run_once()
    newest = "SELECT captured_at, gw_key FROM gateway.charges"
    kept = "SELECT captured_at, gw_key FROM payments.sweeps WHERE pass = 'newest'"
    assert await unfenced.eyes.fetchrow(kept) == await unfenced.eyes.fetchrow(newest)


async def test_a_capture_stamped_ahead_of_time_hides_nothing_that_comes_now(unfenced: Replica):
    payments = unfenced
    await payments.charge(new_order())
    await payments.eyes.execute("UPDATE gateway.charges SET captured_at = now() + interval '1 h'")
    await payments.late_captures.run_once()
    order_id = new_order()
    await payments.take_unasked(order_id)
    assert await payments.late_captures.run_once() == 1


async def test_a_gateway_that_fences_is_read_as_well(payments: Replica):
    order_id = new_order()
    await payments.take_unasked(order_id)
    assert await payments.late_captures.run_once() == 1
    assert await payments.state(order_id) == "REFUNDED"
