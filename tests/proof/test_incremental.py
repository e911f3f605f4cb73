"""A proof that builds on the last one finds what a proof of the whole history finds."""

import re
from typing import Any

import asyncpg
import pytest

from proof import Limits, invariants
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
    recorder = PlanRecorder(auditor)
    assert (await prove(recorder, LIMITS)).reach.orders == 20
    assert len(recorder.plans) > len(invariants())
    for plan in recorder.plans:
        assert not TABLES & set(re.findall(r"Seq Scan on (\w+\.\w+)", plan)), plan


class PlanRecorder:
    """A connection that also records the plan of every query."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)
        if name not in ("fetch", "fetchrow", "fetchval"):
            return method

        async def explain_and_run(query: str, *values: object) -> Any:
            rows = await self._connection.fetch(f"EXPLAIN (COSTS OFF, VERBOSE) {query}", *values)
            self.plans.append("\n".join(row[0] for row in rows))
            return await method(query, *values)

        return explain_and_run
