"""A proof that builds on the last one finds what a proof of the whole history finds."""

import asyncpg
import pytest

from proof import Limits
from proof.evaluate import evaluate, prove
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.reports import assert_same
from tests.proof.tampering import Tamperer

LIMITS = Limits()
# The tables that grow with the number of orders.
TABLES = {"orders.orders", "orders.history", "orders.idempotency", "inventory.reservations"}
TABLES |= {f"payments.{name}" for name in ("payments", "attempts", "legs", "decisions")}
TABLES |= {"payments.attempt_history", "payments.ledger", "gateway.charges"}


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 40))]
)
async def test_after_any_change_of_the_tables_both_proofs_find_the_same(
    shop: asyncpg.Connection, auditor: asyncpg.Connection, seed: int
):
    limits = Limits(gateway_fences=seed % 3 > 0)
    tamperer = Tamperer(shop, seed)
    await tamperer.prepare()
    for _ in range(3):
        await tamperer.act()
        whole = await evaluate(auditor, limits)
        report = await prove(auditor, limits)
        try:
            assert_same(report, whole)
        except AssertionError as error:
            error.add_note("; ".join(tamperer.statements))
            raise


async def test_no_table_is_scanned_for_a_few_orders(
    shop: asyncpg.Connection, auditor: asyncpg.Connection
):
    await insert_confirmed_orders(shop, 5_000)
    await shop.execute("VACUUM ANALYZE")
    assert (
        await prove(auditor, LIMITS)
    ).reach.why == "more than 2000 orders changed since the last proof"
    await insert_confirmed_orders(shop, 20)
    before = await scans(auditor)
    assert (await prove(auditor, LIMITS)).reach.orders == 20
    since = {table: count - before[table] for table, count in (await scans(auditor)).items()}
    assert {table for table, count in since.items() if count} & TABLES == set()
    assert sum(since.values()) > 0  # of those that do not grow


async def test_what_another_connection_asks_is_planned_before_it_is_known_for_which_orders(
    shop: asyncpg.Connection, auditor: asyncpg.Connection, database_url: str
):
    await insert_confirmed_orders(shop, 5)
    beside = await asyncpg.connect(database_url, max_cacheable_statement_size=0)
    try:
        assert (await prove(auditor, LIMITS, beside=[beside])).reach.orders == 5
        used = await beside.fetch(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE 'WITH given%) v HAVING count(*) > 0%'"
        )
    finally:
        await beside.close()
    assert [tuple(each) for each in used] == [(2, 0)]  # ahead, and for these


async def scans(connection: asyncpg.Connection) -> dict[str, int]:
    """How often each table was read from its first page to its last."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    rows = await connection.fetch(
        "SELECT schemaname || '.' || relname AS name, seq_scan FROM pg_stat_user_tables"
    )
    return {row["name"]: row["seq_scan"] for row in rows}
