"""The scheduler's report is current, or says why not, whatever happens to the database."""

import asyncio
import math

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from proof.scheduler import ProofScheduler
from proof.session import ProofSession
from proof.settings import ProofSettings
from tests.proof.bulk_orders import insert_confirmed_orders

NAME = "valerix_invariant_violations"


def settings(database_url: str) -> ProofSettings:
    return ProofSettings(service="dashboard", database_url=database_url, proof_interval_s=0.1)


async def until(what) -> None:
    # The pause before the next verdict is ten times what this one took, on a busy machine seconds.
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.02)


@pytest.fixture
async def scheduler(database_url: str):
    registry = CollectorRegistry()
    proof = ProofScheduler(settings(database_url), registry=registry)
    proof.start()
    yield proof, registry
    await proof.stop()


async def test_before_the_first_verdict_the_state_is_unknown(database_url: str):
    proof = ProofScheduler(settings(database_url), registry=CollectorRegistry())
    assert proof.report.state == "unknown"
    assert proof.report.findings[0].reason == "not judged yet"


async def test_a_violation_is_in_the_report_and_in_the_gauge(scheduler, shop: asyncpg.Connection):
    proof, registry = scheduler
    await until(lambda: proof.report.state == "settling")
    assert registry.get_sample_value(NAME, {"invariant": "I10"}) == 0
    assert registry.get_sample_value(NAME, {"invariant": "I21"}) == 0
    await shop.execute("UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1")
    await until(lambda: proof.report.state == "violated")
    assert registry.get_sample_value(NAME, {"invariant": "I21"}) == 3


async def test_the_age_is_that_of_the_latest_report(scheduler):
    proof, _ = scheduler
    await until(lambda: proof.report.state == "holds")
    assert proof.age_s < 2
    await proof.stop()
    await asyncio.sleep(0.3)
    assert proof.age_s >= 0.3


async def test_without_a_database_the_verdict_is_unknown_with_the_reason():
    registry = CollectorRegistry()
    proof = ProofScheduler(settings("postgresql://nobody@127.0.0.1:9/none"), registry=registry)
    report = await proof.judge()
    await proof.stop()
    assert report.state == "unknown"
    assert "no database" in (report.findings[0].reason or "")
    assert math.isnan(registry.get_sample_value(NAME, {"invariant": "I1"}) or 0)


async def test_it_judges_again_when_the_database_is_back(scheduler, database_url: str):
    proof, _ = scheduler
    await until(lambda: proof.report.state == "holds")
    admin = await asyncpg.connect(database_url)
    name = await admin.fetchval("SELECT current_database()")
    other = await asyncpg.connect(database_url, database="postgres")
    await admin.close()
    states = []
    await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    try:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        await until(lambda: proof.report.state == "unknown")
        states.append(proof.report.findings[0].reason)
    finally:
        await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await other.close()
    await until(lambda: proof.report.state == "holds")
    assert "no database" in states[0]


async def test_concurrent_requests_wait_for_each_other(scheduler):
    proof, _ = scheduler
    reports = await asyncio.gather(*(proof.judge() for _ in range(5)))
    assert {each.state for each in reports} == {"holds"}


async def test_from_the_second_verdict_on_it_reads_what_changed(
    scheduler, shop: asyncpg.Connection
):
    proof, _ = scheduler
    await proof.judge()
    await insert_confirmed_orders(shop, 3)
    report = await proof.judge()
    assert report.reach.before is not None
    # The four of the shop were proven before; the three may have been since.
    assert report.reach.proven + report.reach.orders >= 7
    assert report.state == "settling"


async def test_its_connection_cannot_write(scheduler, database_url: str):
    proof, _ = scheduler
    await until(lambda: proof.report.state == "holds")
    await proof.stop()
    wire = await proof.session._connected()  # noqa: SLF001 - no one may write through it
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await wire.execute("DELETE FROM orders.products")


async def test_what_was_judged_last_stands_until_something_is_written(
    database_url: str, shop: asyncpg.Connection, tmp_path
):
    kept = tmp_path / "head"
    here = ProofSettings(service="dashboard", database_url=database_url, proof_head=str(kept))
    async with ProofSession(here) as session:
        assert await session.unchanged_at() is None  # nothing was judged
        async with asyncio.timeout(60):
            # Other databases of this server are written to as well.
            while await session.unchanged_at() is None:
                report = await session.judge()
        assert (await session.unchanged_at() or report.at) >= report.at
        await shop.execute("UPDATE inventory.stock SET stock = stock")
        assert await session.unchanged_at() is None
        async with asyncio.timeout(60):
            while await session.unchanged_at() is None:
                await session.judge()
        kept.write_bytes(b"damaged")
        assert await session.unchanged_at() is None


async def test_two_connections_find_what_one_finds_and_reopen_together(
    database_url: str, shop: asyncpg.Connection
):
    await shop.execute("UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1")
    async with (
        ProofSession(settings(database_url), connections=2) as session,
        ProofSession(settings(database_url)) as alone,
    ):
        for whole in (True, False):
            found = [
                [(each.invariant.id, each.state, each.total, each.rows) for each in report.findings]
                for report in (await session.judge(whole=whole), await alone.judge(whole=whole))
            ]
            assert found[0] == found[1]
        assert {state for _, state, _, _ in found[0]} > {"violated", "holds"}
        await shop.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'valerix-proof' AND datname = current_database()"
        )
        await session.judge()
        assert (await session.judge()).state == "violated"
