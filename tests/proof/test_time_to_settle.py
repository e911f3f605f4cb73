"""Unfinished work is held against the shop only when it had calm and time enough."""

import asyncpg
import pytest

from proof import Limits
from proof.evaluate import Finding, Report, StatementTimeouts, evaluate, verdict

OLD = "UPDATE orders.orders SET created_at = now() - interval '1 day' WHERE status LIKE 'PENDING%'"
GREMLIN = (
    "INSERT INTO payments.gremlins"
    " (name, kind, routes, probability, started_by, started_at, expires_at)"
    " VALUES ('ghost', 'hang', '{*}', 1, 'test', now() - interval '30 min', now() + %s)"
)


def finding(report: Report, name: str) -> Finding:
    return next(each for each in report.findings if each.invariant.id == name)


async def test_an_old_order_without_an_end_is_overdue(shop: asyncpg.Connection):
    await shop.execute(OLD)
    found = finding(await evaluate(shop), "I10")
    assert (found.state, found.total, found.overdue) == ("violated", 1, 1)


async def test_work_younger_than_the_bound_is_settling(shop: asyncpg.Connection):
    await shop.execute(OLD)
    patient = Limits(order_deadline_s=2 * 86_400)
    found = finding(await evaluate(shop, patient), "I10")
    assert (found.state, found.total, found.overdue) == ("settling", 1, 0)


async def test_while_a_gremlin_is_loose_nothing_is_overdue(shop: asyncpg.Connection):
    await shop.execute(OLD)
    await shop.execute(GREMLIN % "interval '1 min'")
    report = await evaluate(shop)
    assert finding(report, "I10").state == "settling"
    assert (report.gremlins_loose, report.quiet_since) == (1, None)


@pytest.mark.parametrize(("ended", "state"), [("1 min", "settling"), ("25 min", "violated")])
async def test_the_clock_starts_when_the_last_gremlin_ends_by_itself(
    shop: asyncpg.Connection, ended: str, state: str
):
    await shop.execute(OLD)
    await shop.execute(GREMLIN % f"interval '-{ended}'")
    report = await evaluate(shop)
    assert finding(report, "I10").state == state
    assert report.quiet_since is not None


@pytest.mark.parametrize(("ended", "state"), [("1 min", "settling"), ("25 min", "violated")])
async def test_the_clock_starts_when_the_last_gremlin_is_called_off(
    shop: asyncpg.Connection, ended: str, state: str
):
    await shop.execute(OLD)
    await shop.execute(
        "INSERT INTO inventory.gremlin_audit (at, action, name, kind, actor, detail)"
        " VALUES (now() - $1::text::interval, 'calmed', 'ghost', 'hang', 'test', '{}')",
        ended,
    )
    assert finding(await evaluate(shop), "I10").state == state


async def test_a_promise_that_cannot_be_asked_is_unknown_and_the_others_are_judged(
    shop: asyncpg.Connection,
):
    await shop.execute("DROP TABLE payments.ledger")
    report = await evaluate(shop)
    assert {each.invariant.id for each in report.those("unknown")} == {"I6", "I7", "I15"}
    assert all("ledger" in (each.reason or "") for each in report.those("unknown"))
    assert finding(report, "I1").state == "holds"
    assert report.state == "unknown"


async def test_without_gremlin_tables_work_is_held_to_its_bound(shop: asyncpg.Connection):
    await shop.execute(OLD)
    await shop.execute("DROP TABLE orders.gremlins")
    assert finding(await evaluate(shop), "I10").state == "violated"


async def test_a_promise_that_takes_too_long_is_unknown(shop: asyncpg.Connection):
    await shop.execute(
        "DROP TABLE orders.idempotency;"
        "CREATE VIEW orders.idempotency AS SELECT ''::text AS scope, ''::text AS key,"
        " o.id AS order_id,"
        " 201 AS status_code, ''::bytea AS response FROM orders.orders o, pg_sleep(3)"
    )
    report = await evaluate(shop, patience=StatementTimeouts(few_s=0.2, all_s=0.2))
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
