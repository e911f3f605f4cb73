"""Each promise is broken in a real database, its guards removed: exactly that one is violated."""

from datetime import timedelta

import asyncpg
import pytest

from proof import Limits, invariants
from proof.evaluate import evaluate, prove
from proof.statements import ROWS_SHOWN
from tests.proof.breaks import BREAKS, Break
from tests.proof.reports import summary, violated
from tests.proof.rows import DECLINED


async def test_an_empty_shop_keeps_every_promise(database_url: str):
    connection = await asyncpg.connect(database_url)
    report = await evaluate(connection)
    await connection.close()
    assert report.state == "holds", report.findings
    assert len(report.findings) == len(invariants())


async def test_unfinished_orders_break_nothing_and_are_settling(shop: asyncpg.Connection):
    report = await evaluate(shop)
    assert violated(report) == []
    assert {each.invariant.id for each in report.those("settling")} == {"I10", "I11"}
    assert report.those("unknown") == ()
    assert report.state == "settling"


@pytest.mark.parametrize("case", BREAKS, ids=lambda case: f"{case.breaks}: {case.how}")
async def test_exactly_the_broken_promise_is_violated_also_for_a_proof_that_builds_on_the_last(
    shop: asyncpg.Connection, auditor: asyncpg.Connection, case: Break
):
    await shop.execute(case.sql)
    whole = await evaluate(auditor)
    assert violated(whole) == [case.breaks]
    assert whole.those("unknown") == ()
    [found] = whole.those("violated")
    column, value = case.cell
    assert value in [row[column] for row in found.rows]
    report = await prove(auditor, Limits())
    assert report.reach.before is not None
    assert summary(report) == summary(whole)
    # What is broken is judged again by every proof until it is repaired.
    assert summary(await prove(auditor, Limits())) == summary(whole)


def test_every_promise_is_broken_by_some_case():
    assert {case.breaks for case in BREAKS} == {each.id for each in invariants()}


async def test_a_gateway_that_cannot_fence_may_hold_money_until_the_time_to_settle(
    shop: asyncpg.Connection,
):
    late = (
        "UPDATE gateway.charges SET state = 'CAPTURED', captured_at = now() - $1::interval"
        " WHERE state IN ('CAPTURED', 'DECLINED') AND order_ref = $2"
    )
    not_fencing = Limits(gateway_fences=False)
    await shop.execute(late, timedelta(0), str(DECLINED))
    assert violated(await evaluate(shop, not_fencing)) == []
    await shop.execute(late, timedelta(days=1), str(DECLINED))
    await shop.execute(
        "UPDATE orders.orders SET settled_at = now() - interval '1 day' WHERE status = 'FAILED'"
    )
    assert "I5" in violated(await evaluate(shop, not_fencing))


async def test_only_the_first_offending_rows_are_fetched_and_all_are_counted(
    shop: asyncpg.Connection,
):
    await shop.execute(
        "INSERT INTO inventory.stock (product_id, total, stock, reserved)"
        " SELECT 'GHOST-' || n, 1, 0, 1 FROM generate_series(1, 40) n"
    )
    report = await evaluate(shop)
    [finding] = report.those("violated")
    assert (len(finding.rows), finding.total) == (ROWS_SHOWN, 40)


async def test_a_key_answered_404_owns_no_order_and_breaks_nothing(
    shop: asyncpg.Connection,
):
    await shop.executemany(
        "INSERT INTO orders.idempotency"
        " (scope, key, request_hash, status_code, response, locked_until, expires_at)"
        " VALUES ('POST /orders', $1, '', 404, 'no such product', now(), now())",
        [("a-key-of-sixteen",), ("another-key-of-it",)],
    )
    assert violated(await evaluate(shop)) == []
