"""The ledger and the rows behind it: balanced, append-only, and guarded by the database itself."""

import asyncio
import re
from typing import get_args

import asyncpg
import pytest

from services.payment.domain import DecisionKind
from services.payment.ledger.accounts import ACCOUNTS, Account
from services.payment.ledger.postings import TransferKind
from tests.harness import patience
from tests.services.payment.money_checks import unsettled
from tests.services.payment.payment_service import AMOUNT, Replica, new_order

pytestmark = pytest.mark.asyncio(loop_scope="module")

A_SECOND_LIVE_ATTEMPT = (
    "INSERT INTO payments.attempts"
    " (payment_id, leg_n, n, provider, gw_key, amount_minor, currency, state)"
    " SELECT payment_id, 1, 2, 'mock', 'second', 1, 'EUR', 'IN_FLIGHT' FROM payments.payments"
)
LINE = (
    "INSERT INTO payments.ledger (payment_id, leg_n, kind, line, account, amount_minor, currency)"
)
LEG = "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"


async def test_the_ledger_is_what_the_provider_holds(payments: Replica):
    orders = [new_order() for _ in range(6)]
    for n, order_id in enumerate(orders):
        await payments.charge(order_id, AMOUNT + n)
    for order_id in orders[:2]:
        await payments.cancel(order_id)
    clearing = await payments.eyes.fetchval(
        "SELECT sum(amount_minor) FROM payments.ledger WHERE account = 'gateway_clearing'"
    )
    assert clearing == sum(AMOUNT + n for n in range(2, 6))
    assert await payments.eyes.fetchval("SELECT sum(amount_minor) FROM payments.ledger") == 0
    assert not await unsettled(payments.eyes)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE payments.ledger SET amount_minor = 1 WHERE line = 1",
        "DELETE FROM payments.ledger",
        "DELETE FROM payments.payments",
        "DELETE FROM payments.attempts",
        "DELETE FROM payments.attempt_history",
        "UPDATE payments.attempt_history SET dst = 'FAILED'",
        "UPDATE payments.payments SET amount_minor = 1",
        "UPDATE payments.payments SET state = 'PROCESSING'",
        "UPDATE payments.payments SET state = 'FAILED'",
        "UPDATE payments.attempts SET state = 'UNKNOWN'",
        "UPDATE payments.attempts SET amount_minor = 1",
        "UPDATE payments.attempts SET gw_key = 'another'",
        "UPDATE payments.attempts SET sent_at = now()",
        "UPDATE payments.payments SET order_id = gen_random_uuid()",
        "UPDATE payments.payments SET order_id = NULL",
        "UPDATE payments.legs SET amount_minor = 1",
        "DELETE FROM payments.legs",
        "UPDATE payments.decisions SET reason = 'another'",
        "DELETE FROM payments.decisions",
        "INSERT INTO payments.ledger TABLE payments.ledger",
        f"{LINE} SELECT payment_id, 1, 'refund', 1, 'merchant', 1, 'EUR' FROM payments.payments",
        f"{LINE} SELECT payment_id, 1, 'gift', 1, 'merchant', 1, 'EUR' FROM payments.payments",
        # The legs would add up to more than the payment.
        f"{LEG} SELECT payment_id, 2, 1, 'EUR', 'mock' FROM payments.payments",
        # A leg without a payment, and an attempt of no leg.
        f"{LEG} VALUES (gen_random_uuid(), 1, 1, 'EUR', 'mock')",
        A_SECOND_LIVE_ATTEMPT.replace("payment_id, 1, 2", "payment_id, 2, 1"),
        A_SECOND_LIVE_ATTEMPT,
    ],
)
async def test_the_past_cannot_be_changed(payments: Replica, sql: str):
    await payments.charge(new_order())
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await payments.eyes.execute(sql)
    assert not await unsettled(payments.eyes)


async def test_the_accounts_and_kinds_equal_the_database(payments: Replica):
    lists = {
        ("ledger", "known_account"): set(ACCOUNTS),
        ("ledger", "known_transfer"): set(get_args(TransferKind)),
        ("decisions", "known_kind"): set(get_args(DecisionKind)),
    }
    for (table, check), names in lists.items():
        definition = await payments.eyes.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1"
            f" AND conrelid = 'payments.{table}'::regclass",
            check,
        )
        assert set(re.findall(r"'(\w+)'", definition)) == names
    assert set(get_args(Account)) == set(ACCOUNTS)


async def test_legs_may_come_in_several_as_long_as_they_add_up(payments: Replica):
    await payments.eyes.execute(
        "WITH p AS (INSERT INTO payments.payments (payment_id, amount_minor, currency, state)"
        " VALUES (gen_random_uuid(), 5, 'EUR', 'PROCESSING') RETURNING payment_id)"
        f" {LEG} SELECT payment_id, n, minor, 'EUR', 'mock'"
        " FROM p, (VALUES (1, 2), (2, 3)) l (n, minor)"
    )
    assert await payments.eyes.fetchval("SELECT count(*) FROM payments.legs") == 2


async def test_every_state_an_attempt_had_is_on_record(payments: Replica):
    order_id = new_order()
    payments.gateway.script.append("lost_response")
    await payments.charge(order_id)
    await payments.cancel(order_id)
    rows = await payments.eyes.fetch("SELECT src, dst FROM payments.attempt_history ORDER BY id")
    assert [(row["src"], row["dst"]) for row in rows] == [
        (None, "IN_FLIGHT"),
        ("IN_FLIGHT", "UNKNOWN"),
        ("UNKNOWN", "SUCCEEDED"),
        ("SUCCEEDED", "REFUNDED"),
    ]


async def test_money_in_doubt_is_measured_and_goes_back_to_zero(own_payments: Replica):
    async def doubt() -> float:
        page = (await own_payments.http.get("/metrics")).text
        line = next(x for x in page.splitlines() if x.startswith("valerix_money_in_doubt_minor "))
        return float(line.split()[1])

    async def becomes(expected: int) -> bool:
        loop = asyncio.create_task(own_payments.context.metrics.run())  # it begins by reading
        try:
            async with asyncio.timeout(patience.LATE_S):
                while await doubt() != expected:
                    await asyncio.sleep(0.01)
        finally:
            loop.cancel()
        return True

    assert await becomes(0)
    orders = [new_order() for _ in range(3)]
    for order_id in orders:
        own_payments.gateway.script.append("error_after")
        await own_payments.charge(order_id)
    await own_payments.charge(new_order())
    assert await becomes(3 * AMOUNT)
    await own_payments.reconcile()
    assert await becomes(0)


async def test_what_happened_is_counted(own_payments: Replica):
    order_id = new_order()
    own_payments.gateway.script.append("garbage")
    await own_payments.charge(order_id)
    await own_payments.charge(order_id)
    await own_payments.cancel(order_id)
    page = (await own_payments.http.get("/metrics")).text
    for line in (
        'valerix_payments_total{outcome="PROCESSING"} 1.0',
        'valerix_payments_total{outcome="SUCCEEDED"} 1.0',
        'valerix_payments_total{outcome="REFUND_PENDING"} 1.0',
        'valerix_payments_total{outcome="REFUNDED"} 1.0',
        'valerix_route_attempts_total{outcome="silence",provider="flaky"} 1.0',
        'valerix_route_attempts_total{outcome="captured",provider="flaky"} 1.0',
        'valerix_legs_total{outcome="UNKNOWN",provider="flaky"} 1.0',
        'valerix_legs_total{outcome="SUCCEEDED",provider="flaky"} 1.0',
        'valerix_legs_total{outcome="REFUNDED",provider="flaky"} 1.0',
        'valerix_provider_seconds_count{operation="refund",provider="flaky"} 1.0',
    ):
        assert line in page
