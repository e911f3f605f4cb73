"""Migration 0017: today's payments have one plan, and two plans are not taken back as one."""

import asyncio

import asyncpg
import pytest

from fleet import migrate
from fleet.errors import Failed
from tests.fleet.test_routes_migration import PAYMENT

_SECOND_PLAN = (
    "UPDATE payments.attempts SET state = 'FAILED';"
    "INSERT INTO payments.decisions (payment_id, n, kind, reason, inputs)"
    " SELECT payment_id, 2, 'replace', 'declined', '{}' FROM payments.payments;"
    "INSERT INTO payments.legs (payment_id, leg_n, plan_n, amount_minor, currency, provider)"
    " SELECT payment_id, 2, 2, 5, 'EUR', 'flaky' FROM payments.payments;"
)
_DECIDED = (
    "INSERT INTO payments.decisions (payment_id, n, kind, leg_n, provider, reason, inputs)"
    " SELECT payment_id, 1, 'route', 1, 'mock', 'the only one', '{}' FROM payments.payments;"
)


async def _to(database_url: str, way: str, revision: str) -> None:
    await asyncio.to_thread(migrate._run, database_url, way, revision)  # noqa: SLF001


async def test_payments_of_before_have_one_plan_and_go_back(
    database_url: str, connection: asyncpg.Connection
):
    await _to(database_url, "downgrade", "0016")
    await connection.execute(f"BEGIN; {PAYMENT} {_DECIDED} COMMIT")
    await _to(database_url, "upgrade", "0017")
    plans = "SELECT l.plan_n, d.plan_n FROM payments.legs l JOIN payments.decisions d USING (leg_n)"
    assert tuple(await connection.fetchrow(plans)) == (1, 1)
    await _to(database_url, "downgrade", "0016")
    assert await connection.fetchval("SELECT count(*) FROM payments.decisions") == 1


async def test_a_payment_with_two_plans_is_not_taken_back(
    database_url: str, connection: asyncpg.Connection
):
    await connection.execute(f"BEGIN; {PAYMENT} {_DECIDED} {_SECOND_PLAN} COMMIT")
    with pytest.raises(Failed, match="has a plan that was replaced"):
        await _to(database_url, "downgrade", "0016")
    assert await connection.fetchval("SELECT max(plan_n) FROM payments.legs") == 2
