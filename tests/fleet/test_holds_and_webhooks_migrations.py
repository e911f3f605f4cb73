"""Migrations 0020 and 0021 are taken back from a shop that has wallets, payments and webhooks."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from fleet import migrate
from fleet.errors import Failed
from proof.invariants.wallets import INVARIANTS

_PAY = """
WITH p AS (INSERT INTO payments.payments (payment_id, amount_minor, currency, state)
  VALUES ($1, 100, 'EUR', 'PROCESSING') RETURNING payment_id)
INSERT INTO payments.requests (merchant_id, request_id, request_hash, payment_id)
SELECT 'm1', $1::text, '', payment_id FROM p
"""
_EVENTS = "SELECT payload ->> 'merchant_id' FROM payments.outbox WHERE type = $1 ORDER BY id"
_ENDPOINT = """
WITH e AS (INSERT INTO webhooks.endpoints (merchant_id, url, secret, types)
  VALUES ('m1', 'http://x.y/hooks', 'whsec_x', '{payment.created}') RETURNING endpoint_id)
INSERT INTO webhooks.deliveries (endpoint_id, event_id, payment_id, type, body)
SELECT e.endpoint_id, o.event_id, o.aggregate_id::uuid, o.type, '{}' FROM e, payments.outbox o
"""
_DEPOSIT = """
WITH w AS (SELECT user_id, currency, account_id FROM wallets.wallet_balances
  WHERE (user_id, currency) = ('alice', 'EUR')
), t AS (INSERT INTO wallets.transactions
  (transaction_id, user_id, currency, account_id, kind, amount_minor, status)
  SELECT $1, user_id, currency, account_id, 'DEPOSIT', 500, 'PENDING' FROM w
)
INSERT INTO wallets.transfers
  (transfer_id, kind, transaction_id, debit_account, credit_account, amount_minor, currency)
SELECT $1, 'deposit', $1, wallets.account_of('funding', 'deposits', 'EUR'), account_id, 500, 'EUR'
FROM w
"""
_SEAL = "SELECT wallets.seal(account_id, 9) FROM wallets.wallet_balances WHERE user_id = 'alice'"
_ALICE = (
    "SELECT available_minor FROM wallets.wallet_balances"
    " WHERE (user_id, currency) = ('alice', 'EUR')"
)
_REFUSED = (
    "INSERT INTO wallets.holds (hold_key, state, user_id, currency, amount_minor, reference,"
    " reason, placed_by) VALUES ('pay_a-key-of-16-or-more', 'REFUSED', 'carol', 'EUR', 9999, 'x',"
    " 'insufficient-funds', 'payment-service')"
)
_ORDER = (
    "INSERT INTO orders.orders (id, product_id, quantity, unit_price_minor, amount_minor, currency,"
    " payment_id, wallet_id, status, next_attempt_at, deadline_at)"
    " VALUES (gen_random_uuid(), 'PROD-001', 1, 9999, 9999, 'EUR', gen_random_uuid(), 'alice',"
    " 'PENDING', now(), now())"
)


async def _to(database_url: str, way: str, revision: str) -> None:
    await asyncio.to_thread(migrate._run, database_url, way, revision)  # noqa: SLF001


async def test_webhooks_are_taken_back_and_payments_go_on(
    database_url: str, connection: asyncpg.Connection
):
    await connection.execute(_PAY, uuid4())
    await connection.execute(_ENDPOINT)
    await _to(database_url, "downgrade", "0020")
    assert await connection.fetchval("SELECT to_regnamespace('webhooks')") is None
    await connection.execute(_PAY, uuid4())
    await connection.execute("UPDATE payments.payments SET state = 'SUCCEEDED'")
    await _to(database_url, "upgrade", "head")
    await connection.execute(_PAY, uuid4())
    assert await _events(connection, "payment.created") == ["m1", None, "m1"]
    assert await _events(connection, "payment.completed") == [None, None]
    assert await connection.fetchval("SELECT count(*) FROM webhooks.deliveries") == 0


async def _events(connection: asyncpg.Connection, type_: str) -> list[Any]:
    return [row[0] for row in await connection.fetch(_EVENTS, type_)]


async def test_wallets_keep_their_money_when_holds_are_taken_back(
    database_url: str, connection: asyncpg.Connection
):
    for revision in ("0019", "head"):
        before = await connection.fetchval(_ALICE)
        way = "upgrade" if revision == "head" else "downgrade"
        await _to(database_url, way, revision)
        await connection.execute(_DEPOSIT, uuid4())
        await connection.execute(_SEAL)
        assert await connection.fetchval(_ALICE) == before + 500
    for each in INVARIANTS:
        assert not await connection.fetch(each.sql), each.id


@pytest.mark.parametrize("kept", [_REFUSED, _ORDER])
async def test_what_wallets_were_asked_to_pay_is_not_forgotten(
    database_url: str, connection: asyncpg.Connection, kept: str
):
    await connection.execute(kept)
    with pytest.raises(Failed, match="cannot be taken back"):
        await _to(database_url, "downgrade", "0019")
    assert await connection.fetchval("SELECT to_regclass('wallets.holds')") is not None
