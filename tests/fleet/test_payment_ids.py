"""Migration 0011 on a database full of payments: up, to their ends, and down to the same rows."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from fleet import migrate
from fleet.errors import Failed
from proof import Limits
from proof.evaluate import evaluate
from tests.chaos.scripted import ScriptedShop
from tests.fleet.older_payments import OVER, UNFINISHED, order_of, write_story

# Whatever belongs to an order, as it is; and which of its columns names the order.
_TABLES = {
    "orders.orders": "id",
    "orders.history": "order_id",
    "inventory.reservations": "order_id",
    "payments.payments": "order_id",
    "payments.attempts": "order_id",
    "payments.attempt_history": "order_id",
    "payments.ledger": "transfer_id",
    "gateway.charges": "order_ref",
}
_FAST = {"order_deadline_s": 60.0, "payment_gateway_fences": False}


async def _move(verb: str, url: str, revision: str) -> None:
    await asyncio.to_thread(migrate._run, url, verb, revision)  # noqa: SLF001 - a step has no verb


@pytest.fixture
async def older(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database of the program before, with every story in it."""
    await _move("upgrade", empty_database_url, "0010")
    connection = await asyncpg.connect(empty_database_url)
    unfinished = {name: story for name, (story, _) in UNFINISHED.items()}
    for name, story in {**OVER, **unfinished}.items():
        await write_story(connection, name, story)
    yield connection
    await connection.close()


async def _rows(connection: asyncpg.Connection, *names: str) -> dict[str, list[str]]:
    """The rows of some stories, or all, whatever the order of their columns."""
    kept = [str(order_of(name)) for name in names]
    found = {}
    for table, key in _TABLES.items():
        rows = await connection.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table} t")
        objects = [json.loads(row["row"]) for row in rows]
        found[table] = sorted(
            json.dumps(each, sort_keys=True)
            for each in objects
            if not names or each[key].partition(":")[0] in kept
        )
    return found


async def test_up_and_down_again_leads_to_the_same_rows(
    older: asyncpg.Connection, empty_database_url: str
):
    before = await _rows(older)
    await _move("upgrade", empty_database_url, "head")
    # Marks are kept: history is read again in the slices it was written in.
    assert await older.fetchval(
        "SELECT count(*) FROM payments.legs l JOIN payments.attempt_history h USING (payment_id)"
        " WHERE h.src IS NULL AND h.changed_in <> l.changed_in"
    ) == 0  # fmt: skip
    await _move("downgrade", empty_database_url, "0010")
    assert await _rows(older) == before


async def test_what_was_unfinished_comes_to_its_end_and_the_rest_stays_as_it_was(
    older: asyncpg.Connection, empty_database_url: str
):
    before = await _rows(older, *OVER)
    await _move("upgrade", empty_database_url, "head")
    await older.reload_schema_state()
    report = await evaluate(older, Limits(gateway_fences=False))
    assert [each.invariant.id for each in report.those("violated")] == []
    assert report.those("unknown") == ()

    shop = ScriptedShop(empty_database_url, older, **_FAST)
    async with shop.open():
        await shop.rest()
    assert shop.broken == set()
    for name, (_, ends) in UNFINISHED.items():
        found = await older.fetchrow(
            "SELECT o.status, p.state, a.state FROM orders.orders o"
            " JOIN payments.payments p ON p.payment_id = o.payment_id AND p.order_id = o.id"
            " JOIN payments.attempts a ON a.payment_id = p.payment_id WHERE o.id = $1",
            order_of(name),
        )
        assert tuple(found) == ends, name
    # Each was asked for by the name that its provider knows.
    assert await older.fetchval("SELECT count(*) FROM gateway.charges WHERE gw_key !~ '^ord_'") == 0

    await _move("downgrade", empty_database_url, "0010")
    assert await _rows(older, *OVER) == before


PAYMENT = """
INSERT INTO payments.payments (payment_id, order_id, amount_minor, currency, state)
VALUES (gen_random_uuid(), gen_random_uuid(), 2, 'EUR', 'PROCESSING');
INSERT INTO payments.legs (payment_id, leg_n, amount_minor, currency, provider)"""
NO_ORDER = (
    "INSERT INTO payments.payments (payment_id, state) VALUES (gen_random_uuid(), 'CANCELLED')"
)
SEVERAL_LEGS = f"""{PAYMENT}
SELECT payment_id, n, 1, 'EUR', 'mock' FROM payments.payments, (VALUES (1), (2)) v (n)"""
NEWER_KEY = f"""{PAYMENT} SELECT payment_id, 1, 2, 'EUR', 'mock' FROM payments.payments;
INSERT INTO payments.attempts
  (payment_id, leg_n, n, provider, gw_key, amount_minor, currency, state)
SELECT payment_id, 1, 1, 'mock', 'pay_' || payment_id || ':1:1', 2, 'EUR', 'UNKNOWN'
FROM payments.payments"""


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (NO_ORDER, "is no order's"),
        (SEVERAL_LEGS, "has several legs"),
        (NEWER_KEY, "would ask for it by another name"),
    ],
    ids=["no order", "several legs", "a newer key"],
)
async def test_what_the_older_schema_cannot_hold_is_not_taken_back(
    database_url: str, connection: asyncpg.Connection, sql: str, reason: str
):
    await connection.execute(f"BEGIN; {sql}; COMMIT")
    with pytest.raises(Failed, match=reason):
        await _move("downgrade", database_url, "0010")
    assert await connection.fetchval("SELECT count(*) FROM payments.payments") == 1
