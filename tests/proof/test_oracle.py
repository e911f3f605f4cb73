"""The oracle can tell: every kind of lie is found, and the truth is not called one."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from proof.clients.intent import Intent, LoggedReply
from proof.clients.oracle import disagreements, keyless

_KEY = "shopper-of-the-oracle-1"
_PLACE = """
INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor, amount_minor,
  currency, status, reason, next_attempt_at, deadline_at, settled_at)
VALUES ($1, gen_random_uuid(), 'PROD-001', 1, 9999, 9999, 'EUR', $2, $3, now(), now(),
  CASE WHEN $2 IN ('CONFIRMED', 'FAILED') THEN now() END)"""
_CLAIM = """
INSERT INTO orders.idempotency (scope, key, request_hash, order_id, locked_until)
VALUES ('s', $1, '', $2, now())"""
CONFIRMED, FAILED = ("CONFIRMED", None), ("FAILED", "OUT_OF_STOCK")
DECLINED, CANCELLED = ("FAILED", "PAYMENT_DECLINED"), ("FAILED", "USER_CANCELLED")
ACCEPTED, CREATED = LoggedReply(202), LoggedReply(201)
SOLD_OUT, REFUSED_CARD = LoggedReply(409, "out-of-stock"), LoggedReply(402, "payment-declined")
SHED = LoggedReply(503, "database-busy", executed=False)
NOBODY, TOO_LATE = LoggedReply(0, "TimeoutError"), LoggedReply(409, "state-conflict")

TRUE = {
    "confirmed": (CONFIRMED, [NOBODY, CREATED], []),
    "out of stock": (FAILED, [SHED, SOLD_OUT], []),
    "declined": (DECLINED, [REFUSED_CARD], []),
    "accepted, then confirmed": (CONFIRMED, [ACCEPTED], [TOO_LATE]),
    "accepted, then cancelled": (CANCELLED, [ACCEPTED], [NOBODY, LoggedReply(200)]),
    "nobody answered": (CONFIRMED, [NOBODY], []),
    "shed": (None, [SHED, SHED], []),
    "replayed": (
        CONFIRMED,
        [LoggedReply(201, body=b"a"), LoggedReply(201, replayed=True, body=b"a")],
        [],
    ),
}
LIES = {
    "201 for a failed order": (FAILED, [CREATED], []),
    "409 for a confirmed order": (CONFIRMED, [SOLD_OUT], []),
    "402 for a cancelled order": (CANCELLED, [REFUSED_CARD], []),
    "202 for ever": (("PENDING_PAYMENT", None), [ACCEPTED], []),
    "201 for no order": (None, [CREATED], []),
    "in progress, but nothing is": (None, [LoggedReply(409, "idempotency-in-progress")], []),
    "404 for a product we sell": (CONFIRMED, [LoggedReply(404, "product-not-found")], []),
    "nothing was done, but it was": (CONFIRMED, [SHED], []),
    "shed without saying so": (None, [LoggedReply(503, "database-busy")], []),
    "an internal error": (CONFIRMED, [LoggedReply(500, "internal"), CREATED], []),
    "another order's id": (CONFIRMED, [LoggedReply(201, order_id=uuid4())], []),
    "two first answers": (
        CONFIRMED,
        [LoggedReply(201, body=b"a"), LoggedReply(201, body=b"b")],
        [],
    ),
    "two replays": (
        CONFIRMED,
        [LoggedReply(201, replayed=True, body=b"a"), LoggedReply(201, replayed=True, body=b"b")],
        [],
    ),
    "a replay of something else": (
        CONFIRMED,
        [LoggedReply(201, body=b"a"), LoggedReply(201, replayed=True, body=b"b")],
        [],
    ),
    "a cancel that did not count": (CONFIRMED, [ACCEPTED], [LoggedReply(202)]),
    "a cancel that did": (CANCELLED, [ACCEPTED], [TOO_LATE]),
    "a cancel nobody executed": (CANCELLED, [ACCEPTED], [SHED]),
}


async def _hear(connection: asyncpg.Connection, case: tuple) -> list[str]:
    end, replies, cancel_replies = case
    if end is not None:
        order_id: UUID = uuid4()
        await connection.execute(_PLACE, order_id, *end)
        await connection.execute(_CLAIM, _KEY, order_id)
    return await disagreements(connection, [Intent(_KEY, "PROD-001", 1, replies, cancel_replies)])


@pytest.mark.parametrize("name", TRUE)
async def test_what_is_true_is_not_called_a_lie(connection: asyncpg.Connection, name: str):
    assert await _hear(connection, TRUE[name]) == []


@pytest.mark.parametrize("name", LIES)
async def test_every_lie_is_found(connection: asyncpg.Connection, name: str):
    assert await _hear(connection, LIES[name])


async def test_an_order_that_nobody_ordered_is_found(connection: asyncpg.Connection):
    await connection.execute(_PLACE, uuid4(), *CONFIRMED)
    assert await keyless(connection)
