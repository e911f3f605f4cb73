"""Migration 0012: what the older program could not finish is not taken back."""

import asyncio

import asyncpg
import pytest

from fleet import migrate
from fleet.errors import Failed

PAYMENT = (
    "INSERT INTO payments.payments (payment_id, amount_minor, currency, state)"
    " VALUES ('00000000-0000-4000-8000-000000000001', 5, 'EUR', 'PROCESSING');"
    "INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"
    " SELECT payment_id, 1, 5, 'EUR', 'mock' FROM payments.payments;"
    "INSERT INTO payments.attempts (payment_id, leg_n, n, provider, gw_key, amount_minor, currency,"
    " state) SELECT payment_id, 1, 1, 'mock', 'k', 5, 'EUR', 'IN_FLIGHT' FROM payments.payments;"
)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE payments.attempts SET state = 'AUTHORISED'", "does not understand"),
        ("UPDATE payments.attempts SET provider_ref = 'pi_1'", "does not understand"),
        (
            (
                "INSERT INTO payments.requests (merchant_id, request_id, request_hash, payment_id)"
                " SELECT 'm1', 'r1', '', payment_id FROM payments.payments"
            ),
            "answers a merchant's request",
        ),
        (
            (
                "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor,"
                " currency, state) VALUES ('k', 'mock', 'x', 5, 'EUR', 'AUTHORISED')"
            ),
            "has no such state",
        ),
    ],
    ids=["held", "an intent", "a request", "held at the gateway"],
)
async def test_what_the_older_program_cannot_finish_is_not_taken_back(
    database_url: str, connection: asyncpg.Connection, sql: str, why: str
):
    await connection.execute(f"BEGIN; {PAYMENT} {sql}; COMMIT")
    await asyncio.to_thread(migrate.downgrade, database_url)
    with pytest.raises(Failed, match=why):
        await asyncio.to_thread(migrate._run, database_url, "downgrade", "0011")  # noqa: SLF001
    assert await connection.fetchval("SELECT count(*) FROM payments.attempts") == 1
