"""Unfinished work is overdue only if it had time enough without an active gremlin."""

import asyncpg

from proof import Limits
from proof.evaluate import StatementTimeouts, evaluate, prove
from proof.finding import Finding, verdict
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.reports import finding

OLD = "UPDATE orders.orders SET created_at = now() - interval '1 day' WHERE status LIKE 'PENDING%'"
GREMLIN = (
    "INSERT INTO payments.gremlins"
    " (name, kind, routes, probability, started_by, started_at, expires_at)"
    " VALUES ('ghost', 'hang', '{*}', 1, 'test', now() - interval '30 min', now() + %s)"
)


async def test_an_old_order_that_is_not_settled_is_overdue(shop: asyncpg.Connection):
    await shop.execute(OLD)
    found = finding(await evaluate(shop), "I10")
    assert (found.state, found.total, found.overdue) == ("violated", 1, 1)


async def test_work_younger_than_the_limit_is_settling(shop: asyncpg.Connection):
    await shop.execute(OLD)
    patient = Limits(order_deadline_s=2 * 86_400)
    found = finding(await evaluate(shop, patient), "I10")
    assert (found.state, found.total, found.overdue) == ("settling", 1, 0)


async def test_while_a_gremlin_is_active_nothing_is_overdue(shop: asyncpg.Connection):
    await shop.execute(OLD)
    await shop.execute(GREMLIN % "interval '1 min'")
    report = await evaluate(shop)
    assert finding(report, "I10").state == "settling"
    assert (report.gremlins_loose, report.quiet_since) == (1, None)


async def test_the_time_to_settle_starts_when_the_last_gremlin_expires(shop: asyncpg.Connection):
    await shop.execute(OLD)
    await shop.execute(GREMLIN % "interval '-25 min'")
    assert finding(await evaluate(shop), "I10").state == "violated"
    await shop.execute("UPDATE payments.gremlins SET expires_at = now() - interval '1 min'")
    report = await evaluate(shop)
    assert finding(report, "I10").state == "settling"
    assert report.quiet_since is not None


async def test_the_time_to_settle_starts_when_the_last_gremlin_is_calmed(shop: asyncpg.Connection):
    await shop.execute(OLD)
    for ended, state in (("25 min", "violated"), ("1 min", "settling")):
        await shop.execute(
            "INSERT INTO inventory.gremlin_audit (at, action, name, kind, actor, detail)"
            " VALUES (now() - $1::text::interval, 'calmed', 'ghost', 'hang', 'test', '{}')",
            ended,
        )
        assert finding(await evaluate(shop), "I10").state == state


async def test_a_promise_whose_sql_fails_is_unknown_and_the_others_are_judged(
    shop: asyncpg.Connection,
):
    await shop.execute("DROP TABLE payments.ledger")
    report = await evaluate(shop)
    assert {each.invariant.id for each in report.those("unknown")} == {
        "I6", "I7", "I15", "I20", "I22", "I27", "P6"
    }  # fmt: skip
    assert all("ledger" in (each.reason or "") for each in report.those("unknown"))
    assert finding(report, "I1").state == "holds"
    # With the table its guards are gone.
    assert [each.invariant.id for each in report.those("violated")] == ["I30"]


async def test_where_one_statement_cannot_judge_them_all_each_has_its_own(shop: asyncpg.Connection):
    await prove(shop, Limits())
    await insert_confirmed_orders(shop, 2)
    await shop.execute("ALTER TABLE payments.policies RENAME TO elsewhere")
    report = await prove(shop, Limits())
    assert report.reach.before is not None
    assert {each.invariant.id for each in report.those("unknown")} == {"I27", "P9"}
    assert all("policies" in (each.reason or "") for each in report.those("unknown"))
    assert [each.invariant.id for each in report.those("violated")] == ["I30"]
    assert len(report.those("holds")) > 40


async def test_without_gremlin_tables_old_work_is_overdue(shop: asyncpg.Connection):
    await shop.execute(OLD)
    await shop.execute("DROP TABLE orders.gremlins")
    assert finding(await evaluate(shop), "I10").state == "violated"


async def test_a_promise_that_takes_too_long_is_unknown(shop: asyncpg.Connection):
    await shop.execute(
        "DROP TABLE orders.idempotency;"
        "CREATE VIEW orders.idempotency AS SELECT ''::text AS scope, ''::text AS key,"
        " o.id AS order_id,"
        " 201 AS status_code, ''::bytea AS response, ''::bytea AS request_hash,"
        " '1'::xid8 AS changed_in FROM orders.orders o, pg_sleep(3)"
    )
    report = await evaluate(shop, timeouts=StatementTimeouts(incremental_s=0.2, full_s=0.2))
    assert {each.invariant.id for each in report.those("unknown")} == {"I12", "R3"}
    assert "time allowed" in (finding(report, "R3").reason or "")


async def test_the_worst_finding_is_the_verdict(shop: asyncpg.Connection):
    known = {each.invariant.id: each for each in (await evaluate(shop)).findings}
    holds, settling = known["I1"], known["I10"]
    broken = Finding(holds.invariant, "violated", 1)
    unknown = Finding(holds.invariant, "unknown", reason="away")
    assert verdict((holds, settling, unknown, broken)) == "violated"
    assert verdict((holds, settling, unknown)) == "unknown"
    assert verdict((holds, settling)) == "settling"
    assert verdict((holds,)) == "holds"
