"""Each promise is broken in a real database, its guards taken off, and exactly it turns red."""

from datetime import timedelta

import asyncpg
import pytest

from proof import Limits, invariants
from proof.evaluate import Report, evaluate
from proof.statements import ROWS_SHOWN
from tests.proof.breaks import BREAKS, Break
from tests.proof.rows import DECLINED


def broken(report: Report) -> list[str]:
    return [each.invariant.id for each in report.those("violated")]


async def test_an_empty_shop_keeps_every_promise(database_url: str):
    connection = await asyncpg.connect(database_url)
    report = await evaluate(connection)
    await connection.close()
    assert report.state == "holds", report.findings
    assert len(report.findings) == len(invariants())


async def test_a_shop_at_work_breaks_nothing_and_is_only_unfinished(shop: asyncpg.Connection):
    report = await evaluate(shop)
    assert broken(report) == []
    assert {each.invariant.id for each in report.those("settling")} == {"I10", "I11"}
    assert report.those("unknown") == ()
    assert report.state == "settling"


@pytest.mark.parametrize("case", BREAKS, ids=lambda case: f"{case.breaks}: {case.how}")
async def test_exactly_the_broken_promise_turns_red(shop: asyncpg.Connection, case: Break):
    await shop.execute(case.sql)
    report = await evaluate(shop)
    assert broken(report) == [case.breaks]
    assert report.those("unknown") == ()
    [finding] = report.those("violated")
    column, value = case.cell
    assert value in [row[column] for row in finding.rows]


def test_every_promise_is_broken_by_some_case():
    assert {case.breaks for case in BREAKS} == {each.id for each in invariants()}


async def test_a_gateway_that_cannot_fence_may_keep_money_until_the_sweep(shop: asyncpg.Connection):
    late = (
        "UPDATE gateway.charges SET state = 'CAPTURED', captured_at = now() - $1::interval"
        " WHERE state IN ('CAPTURED', 'DECLINED') AND order_ref = $2"
    )
    not_fencing = Limits(gateway_fences=False)
    await shop.execute(late, timedelta(0), str(DECLINED))
    assert broken(await evaluate(shop, not_fencing)) == []
    await shop.execute(late, timedelta(days=1), str(DECLINED))
    await shop.execute(
        "UPDATE orders.orders SET settled_at = now() - interval '1 day' WHERE status = 'FAILED'"
    )
    assert "I5" in broken(await evaluate(shop, not_fencing))


async def test_only_the_first_offenders_are_fetched_and_all_are_counted(shop: asyncpg.Connection):
    await shop.execute(
        "INSERT INTO inventory.stock (product_id, total, stock, reserved)"
        " SELECT 'GHOST-' || n, 1, 0, 1 FROM generate_series(1, 40) n"
    )
    report = await evaluate(shop)
    [finding] = report.those("violated")
    assert (len(finding.rows), finding.total) == (ROWS_SHOWN, 40)


async def test_a_key_whose_answer_was_that_there_is_no_such_product_owns_no_order(
    shop: asyncpg.Connection,
):
    await shop.executemany(
        "INSERT INTO orders.idempotency"
        " (scope, key, request_hash, status_code, response, locked_until, expires_at)"
        " VALUES ('POST /orders', $1, '', 404, 'no such product', now(), now())",
        [("a-key-of-sixteen",), ("another-key-of-it",)],
    )
    assert broken(await evaluate(shop)) == []
