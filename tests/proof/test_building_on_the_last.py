"""A proof that builds on the last one finds what a proof of the whole history finds."""

import re
from typing import Any

import asyncpg
import pytest

from proof import Limits, invariants
from proof.evaluate import Report, evaluate, prove
from proof.statements import ROWS_SHOWN
from tests.proof.breaks import BREAKS, Break
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.tampering import Tamperer

LIMITS = Limits()
# All that grows with the number of orders.
BOOKS = {"orders", "history", "idempotency", "reservations", "payments", "attempts"}
BOOKS |= {"attempt_history", "ledger", "charges"}
Found = dict[str, tuple[str, int, int, list[str]]]


def found(report: Report) -> Found:
    """All that a report says of each promise but for the time it took, and for the rows where only
    some of them are shown: any would do."""
    return {
        each.invariant.id: (
            each.state,
            each.total,
            each.overdue,
            sorted(map(repr, each.rows)) if each.total <= ROWS_SHOWN else [],
        )
        for each in report.findings
    }


@pytest.mark.parametrize("case", BREAKS, ids=lambda case: f"{case.breaks}: {case.how}")
async def test_what_is_broken_after_a_proof_is_found_by_the_next(
    shop: asyncpg.Connection, auditor: asyncpg.Connection, case: Break
):
    await shop.execute(case.sql)
    whole = await evaluate(auditor, LIMITS)
    report = await prove(auditor, LIMITS)
    assert report.reach.before is not None
    assert found(report) == found(whole)
    assert case.breaks in {each.invariant.id for each in report.those("violated")}
    # What is broken stays in question until it is mended.
    assert found(await prove(auditor, LIMITS)) == found(whole)


@pytest.mark.parametrize("seed", range(24))
async def test_whatever_somebody_does_to_the_books_both_proofs_find_the_same(
    shop: asyncpg.Connection, auditor: asyncpg.Connection, seed: int
):
    limits = Limits(gateway_fences=seed % 3 > 0)
    tamperer = Tamperer(shop, seed)
    await tamperer.prepare()
    for _ in range(3):
        await tamperer.act()
        whole = await evaluate(auditor, limits)
        report = await prove(auditor, limits)
        assert found(report) == found(whole), tamperer.did


async def test_no_book_is_read_from_end_to_end_for_a_few_orders(
    shop: asyncpg.Connection, auditor: asyncpg.Connection
):
    await insert_confirmed_orders(shop, 5_000)
    await shop.execute("VACUUM ANALYZE")
    assert (
        await prove(auditor, LIMITS)
    ).reach.why == "more than 2000 orders changed since the last proof"
    await insert_confirmed_orders(shop, 20)
    explaining = Explaining(auditor)
    assert (await prove(explaining, LIMITS)).reach.orders == 20
    assert len(explaining.plans) > len(invariants())
    for plan in explaining.plans:
        assert not BOOKS & set(re.findall(r"Seq Scan on (\w+)", plan)), plan


class Explaining:
    """Stands where a connection stands, and keeps the plan of every query."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._connection, name)
        if name not in ("fetch", "fetchrow", "fetchval"):
            return asked

        async def ask(query: str, *values: object) -> Any:
            rows = await self._connection.fetch(f"EXPLAIN (COSTS OFF) {query}", *values)
            self.plans.append("\n".join(row[0] for row in rows))
            return await asked(query, *values)

        return ask
