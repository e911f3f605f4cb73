"""The chaos matrix at the gateway (rows 18 to 31): whatever is lost or late, one truth remains."""

import asyncio
from collections.abc import Callable
from typing import Any

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
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Before the money moved, after it, and long after it; the others differ in how the answer is lost.
_FEW = ("lost_request", "lost_response", "late")
_OTHERS = ("error_before", "error_after", "garbage")
SILENT: list[Any] = [*_FEW, *(pytest.param(fault, marks=[pytest.mark.long]) for fault in _OTHERS)]


@pytest.mark.parametrize("fault", [*SILENT, "not_sent"])
async def test_no_answer_is_a_202_and_the_attempt_is_unknown_not_failed(
    payments: Replica, fault: str
):
    order_id = new_order()
    payments.gateway.fail(fault)
    answer = await payments.charge(order_id)
    assert (answer.status_code, answer.json()["state"]) == (202, "PROCESSING")
    assert answer.headers["location"] == f"/payments/{payment_of(order_id)}"
    assert await payments.attempts(order_id) == ["UNKNOWN"]
    assert answer.json()["attempts"][0]["detail"]
    assert await payments.ledger(order_id) == {}


@pytest.mark.parametrize("fault", [*SILENT, "not_sent"])
async def test_the_same_charge_again_ends_in_one_capture(payments: Replica, fault: str):
    order_id = new_order()
    payments.gateway.fail(fault)
    await payments.charge(order_id)
    answer = await payments.charge(order_id)
    assert (answer.status_code, answer.json()["state"]) == (201, "SUCCEEDED")
    await payments.gateway.land()
    assert await payments.captures(order_id) == ["CAPTURED"]
    assert await payments.ledger(order_id) == {"capture": AMOUNT}
    assert not await unsettled(payments.eyes)


@pytest.mark.parametrize("fault", [*SILENT, "not_sent"])
async def test_a_charge_nobody_repeats_is_finished_by_the_reconciler(payments: Replica, fault: str):
    order_id = new_order()
    payments.gateway.fail(fault)
    await payments.charge(order_id)
    await payments.reconcile()
    assert await payments.state(order_id) == "SUCCEEDED"
    await payments.gateway.land()
    assert await payments.captures(order_id) == ["CAPTURED"]
    assert not await unsettled(payments.eyes)


@pytest.mark.parametrize("fault", SILENT)
async def test_a_decline_that_was_not_heard_is_found_out(declining: Replica, fault: str):
    order_id = new_order()
    declining.gateway.fail(fault)
    assert (await declining.charge(order_id)).status_code == 202
    await declining.reconcile()
    assert (await declining.charge(order_id)).status_code == 402
    assert not await unsettled(declining.eyes)


async def test_a_capture_that_comes_after_the_cancel_is_refused_by_a_fencing_gateway(
    payments: Replica,
):
    order_id = new_order()
    payments.gateway.script.append("late")
    await payments.charge(order_id)
    assert (await payments.cancel(order_id)).json()["state"] == "CANCELLED"
    await payments.gateway.land()
    assert await payments.captures(order_id) == ["VOIDED"]
    assert not await unsettled(payments.eyes)


async def test_a_capture_that_comes_before_the_void_is_refunded(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("late")
    await payments.charge(order_id)
    await payments.gateway.land()
    assert (await payments.cancel(order_id)).json()["state"] == "REFUNDED"
    assert not await unsettled(payments.eyes)


@pytest.mark.parametrize("before_gateway", [True, False])
async def test_a_crash_around_the_gateway_call_ends_in_one_capture(
    payment_settings: Callable[..., Settings],
    connection: asyncpg.Connection,
    before_gateway: bool,
):
    order_id = new_order()
    settings = payment_settings()
    async with open_replica(settings, connection, silence_s=60.0) as doomed:
        doomed.gateway.script.append("lost_request" if before_gateway else "lost_response")
        request = asyncio.create_task(doomed.charge(order_id))
        await until(lambda: doomed.attempts(order_id))
        if not before_gateway:
            await doomed.until_captured(order_id)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        assert await doomed.attempts(order_id) == ["IN_FLIGHT"]
    async with open_replica(settings, connection) as survivor:
        assert (await survivor.charge(order_id)).status_code == 201
        assert await survivor.captures(order_id) == ["CAPTURED"]
        assert not await unsettled(connection)


@pytest.mark.parametrize("fault", ["lost_request", "lost_response", "error_after", "not_sent"])
@pytest.mark.parametrize("charged", [True, False])
async def test_a_cancel_interrupted_at_the_gateway_is_finished_with_one_refund(
    payments: Replica, fault: str, charged: bool
):
    order_id = new_order()
    if not charged:
        payments.gateway.script.append("lost_request")
    await payments.charge(order_id)
    payments.gateway.fail(fault)
    assert (await payments.cancel(order_id)).status_code == 202
    await payments.reconcile()
    answer = await payments.cancel(order_id)
    assert answer.status_code == 200
    assert answer.json()["state"] == ("REFUNDED" if charged else "CANCELLED")
    assert await payments.ledger(order_id) == (
        {"capture": AMOUNT, "refund": -AMOUNT} if charged else {}
    )
    assert not await unsettled(payments.eyes)


async def test_the_gateway_is_waited_for_no_longer_than_the_setting_says(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    settings = payment_settings(payment_gateway_timeout_s=0.2)
    async with open_replica(settings, connection, silence_s=60.0) as payments:
        payments.gateway.script.extend(["lost_response", "lost_response"])
        order_id = new_order()
        async with asyncio.timeout(10):
            charged, cancelled = await payments.charge(order_id), await payments.cancel(order_id)
        assert charged.status_code == cancelled.status_code == 202
        assert charged.json()["attempts"][0]["detail"] == "no answer in time"


async def test_silence_for_ever_never_becomes_a_failure(payments: Replica):
    order_id = new_order()
    payments.gateway.script.extend(["lost_response"] + ["error_before"] * 200)
    await payments.charge(order_id)
    for _ in range(40):
        await payments.reconcile()
    assert await payments.state(order_id) == "PROCESSING"
    assert await payments.attempts(order_id) == ["UNKNOWN"]
    # A human is asked, the money stays in doubt, and the answer still counts when it comes.
    assert await payments.eyes.fetchval("SELECT needs_review FROM payments.payments")
    payments.gateway.script.clear()
    await payments.reconcile()
    assert await payments.state(order_id) == "SUCCEEDED"
    assert not await unsettled(payments.eyes)


async def test_one_attempt_is_all_there_ever_is(payments: Replica):
    order_id = new_order()
    payments.gateway.script.extend(["lost_request", "error_before", "garbage", "not_sent"])
    for _ in range(6):
        await payments.charge(order_id)
        await payments.reconcile()
    assert await payments.attempts(order_id) == ["SUCCEEDED"]
    assert await payments.eyes.fetchval("SELECT count(*) FROM gateway.charges") == 1


async def test_a_gateway_that_took_another_amount_needs_a_human(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_response")
    await payments.charge(order_id)
    await payments.eyes.execute("UPDATE gateway.charges SET amount_minor = 1")
    assert (await payments.charge(order_id)).status_code == 202
    assert await payments.eyes.fetchval("SELECT needs_review FROM payments.payments")
    assert await payments.state(order_id) == "PROCESSING"
    assert await payments.ledger(order_id) == {}


async def test_a_void_made_at_the_gateway_by_someone_else_cancels_the_payment(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_request")
    await payments.charge(order_id)
    await payments.eyes.execute(
        "INSERT INTO gateway.charges (gw_key, provider, payment_ref, state)"
        " VALUES ($1, 'mock', $2, 'VOIDED')",
        f"pay_{payment_of(order_id)}:1:1",
        str(payment_of(order_id)),
    )
    await payments.reconcile()
    assert await payments.state(order_id) == "CANCELLED"
    assert (await payments.charge(order_id)).status_code == 409


async def test_a_refund_made_at_the_gateway_by_someone_else_is_booked(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_response")
    await payments.charge(order_id)
    await payments.eyes.execute(
        "UPDATE gateway.charges SET state = 'REFUNDED', refunded_at = now()"
    )
    await payments.reconcile()
    assert await payments.state(order_id) == "REFUNDED"
    assert await payments.ledger(order_id) == {"capture": AMOUNT, "refund": -AMOUNT}
    assert not await unsettled(payments.eyes)


async def test_a_flaky_gateway_loses_no_money_over_many_orders(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    settings = payment_settings(payment_decline_rate=0.2, payment_seed=11)
    async with open_replica(settings, connection) as payments:
        faults = [*_FEW, *_OTHERS, "not_sent", "", "", ""]

        async def shop(turn: int) -> None:
            order_id = new_order()
            payments.gateway.script.extend(faults[(turn * 7 + k) % len(faults)] for k in range(2))
            await payments.charge(order_id)
            if turn % 3 == 0:
                await payments.cancel(order_id)
            await payments.charge(order_id)

        await asyncio.gather(*(shop(turn) for turn in range(60)))
        payments.gateway.script.clear()
        await payments.gateway.land()
        for _ in range(10):
            await payments.reconcile()
        assert not await unsettled(connection)
