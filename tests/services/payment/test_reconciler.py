"""The reconciler: claims what is due, once among many replicas, through any outage."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from litestar.testing import AsyncTestClient

from chassis.settings import Settings
from services.payment.app import create_app
from services.payment.due_work import PAYMENTS_DUE
from tests.harness.plans import plans_with_index
from tests.services.payment.money_checks import unsettled
from tests.services.payment.payment_service import (
    Replica,
    new_order,
    open_replica,
    payment_of,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_payment_at_the_gateway_is_left_to_its_request(payments: Replica):
    payments.gateway.script.append("lost_request")
    await payments.charge(new_order())
    wait_s = await payments.eyes.fetchval(
        "SELECT extract(epoch FROM next_attempt_at - created_at)::float8 FROM payments.payments"
    )
    assert wait_s == pytest.approx(
        payments.context.gateway_timeout_s + payments.context.probe_base_s, abs=0.01
    )
    await payments.eyes.execute("UPDATE payments.payments SET next_attempt_at = now() + '1 min'")
    assert await payments.reconciler.run_once() == 0


async def test_every_due_payment_is_claimed_by_one_replica(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    settings = payment_settings(payment_probe_base_s=60, payment_probe_max_s=60)
    async with open_replica(settings, connection) as payments:
        payments.gateway.fail("not_sent", calls=12)
        for _ in range(12):
            await payments.charge(new_order())
        await connection.execute("UPDATE payments.payments SET next_attempt_at = now()")

        async def claim() -> list[object]:
            async with payments.context.database.connect() as replica:
                return [*await PAYMENTS_DUE.claim(replica, 5, base_s=60, max_s=60)]

        claims = await asyncio.gather(*(claim() for _ in range(6)))
        claimed = [order_id for batch in claims for order_id in batch]
        assert len(claimed) == len(set(claimed)) == 12


async def test_attempts_are_spread_out_up_to_a_maximum(payments: Replica):
    payments.gateway.fail("not_sent")
    await payments.charge(new_order())
    waits = []
    for _ in range(8):
        await payments.eyes.execute("UPDATE payments.payments SET next_attempt_at = now()")
        async with payments.context.database.connect() as replica:
            assert len(await PAYMENTS_DUE.claim(replica, 5, base_s=1.0, max_s=30.0)) == 1
        waits.append(
            await payments.eyes.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM payments.payments"
            )
        )
    for n, wait in enumerate(waits):
        backoff = min(30.0, 2.0**n)
        assert backoff * 0.5 - 0.1 <= wait <= backoff * 1.5


async def test_two_reconcilers_on_one_payment_are_harmless(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_response")
    await payments.charge(order_id)
    await payments.eyes.execute("UPDATE payments.payments SET next_attempt_at = now()")
    await asyncio.gather(*(payments.reconcile() for _ in range(1)), payments.charge(order_id))
    assert await payments.state(order_id) == "SUCCEEDED"
    assert not await unsettled(payments.eyes)


async def test_one_bad_payment_does_not_hold_up_the_others(payments: Replica):
    bad, good = new_order(), new_order()
    payments.gateway.fail("not_sent", calls=2)
    await payments.charge(bad)
    await payments.charge(good)
    # A row no code of ours could have left: the void can only fail, every time.
    await payments.eyes.execute("ALTER TABLE payments.attempts DISABLE TRIGGER ALL")
    await payments.eyes.execute(
        "DELETE FROM payments.attempts WHERE payment_id = $1", payment_of(bad)
    )
    await payments.eyes.execute("ALTER TABLE payments.attempts ENABLE TRIGGER ALL")
    await payments.reconcile()
    assert await payments.state(good) == "SUCCEEDED"
    assert await payments.state(bad) == "PROCESSING"


async def test_the_running_service_finishes_payments_by_itself_through_a_lost_database(
    own_settings: Callable[..., Settings], own_connection: asyncpg.Connection
):
    settings = own_settings(reconcile_poll_s=0.05, payment_gateway_timeout_s=0.5)
    async with open_replica(settings, own_connection) as payments:
        order_id = new_order()
        payments.gateway.script.append("lost_response")
        await payments.charge(order_id)
        app = create_app(settings)
        async with AsyncTestClient(app.app):  # type: ignore[arg-type]
            await own_connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

            async def finished() -> bool:
                return await payments.state(order_id) == "SUCCEEDED"

            await until(finished)
            second = new_order()
            payments.gateway.script.append("lost_request")
            await payments.charge(second)
            await payments.cancel(second)
            third = new_order()
            payments.gateway.script.append("error_before")
            await payments.charge(third)

            async def settled() -> bool:
                return not await unsettled(own_connection)

            await until(settled)


async def test_the_loop_outlives_a_time_without_a_database(
    own_settings: Callable[..., Settings], own_connection: asyncpg.Connection
):
    settings = own_settings(reconcile_poll_s=0.05, payment_gateway_timeout_s=0.5)
    order_id = new_order()
    async with open_replica(settings, own_connection) as payments:
        payments.gateway.fail("not_sent")
        await payments.charge(order_id)
        app = create_app(settings)
        name = await own_connection.fetchval("SELECT current_database()")
        async with AsyncTestClient(app.app):  # type: ignore[arg-type]
            await own_connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
            await own_connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.3)
            await own_connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')

            async def finished() -> bool:
                return await payments.state(order_id) == "SUCCEEDED"

            await until(finished)


async def test_a_database_lost_after_the_intent_answers_202_not_nothing_was_done(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    # The pool of one is busy when the settlement wants it: the intent is committed by then.
    async with open_replica(payment_settings(pool_size=1, pool_wait_s=0.1), connection) as payments:
        order_id = new_order()
        payments.gateway.script.append("error_after")
        charge = asyncio.create_task(payments.charge(order_id))
        await until(lambda: payments.attempts(order_id), every_s=0)
        async with payments.context.database.connect():
            answer = await charge
        assert answer.status_code == 202
        assert "x-valerix-executed" not in answer.headers
        await payments.reconcile()
        assert await payments.state(order_id) == "SUCCEEDED"


async def test_a_connection_cut_in_mid_settlement_answers_202(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_request")
    await payments.charge(order_id)
    async with payments.eyes.transaction():
        await payments.eyes.execute("SELECT FROM payments.payments FOR UPDATE")
        charge = asyncio.create_task(payments.charge(order_id))

        async def cut() -> bool:
            waiting = await payments.eyes.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(waiting)

        await until(cut)
        answer = await charge
    assert (answer.status_code, answer.json()["state"]) == (202, "PROCESSING")
    assert (await payments.charge(order_id)).status_code == 201
    assert not await unsettled(payments.eyes)


async def test_a_busy_database_before_the_intent_says_nothing_was_done(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    async with open_replica(payment_settings(pool_size=1, pool_wait_s=0.1), connection) as payments:
        order_id = new_order()
        async with payments.context.database.connect():
            answer = await payments.charge(order_id)
        assert answer.status_code == 503
        assert answer.headers["x-valerix-executed"] == "no"
        assert answer.headers["retry-after"]
        assert await payments.attempts(order_id) == []


async def test_the_partial_index_serves_claim_wake_and_backlog(payments: Replica):
    assert await plans_with_index(payments.eyes, PAYMENTS_DUE) == {"payments_due"}
