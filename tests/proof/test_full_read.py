"""Without a usable checkpoint the whole history is read, and the report says why."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from proof import Limits, checkpoint, invariants
from proof.evaluate import Report, prove
from proof.judging import ProofStep
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.checkpoints import push_ahead
from topology import SERVICES

LIMITS = Limits()
SCHEMAS = ", ".join([*(process.schema for process in SERVICES), "gateway", "dashboard"])


@pytest.fixture
async def reader(shop: asyncpg.Connection, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A role that may read the tables of the services and write nothing."""
    name = urlsplit(database_url).path.removeprefix("/") + "_reader"
    await shop.execute(
        f"CREATE ROLE {name} LOGIN PASSWORD 'reader';"
        f"GRANT USAGE ON SCHEMA {SCHEMAS} TO {name};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMAS} TO {name}"
    )
    parts = urlsplit(database_url)
    where = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{name}:reader@{where}"))
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
    await shop.execute(f"RESET ALL; DROP OWNED BY {name}; DROP ROLE {name}")


def whole(report: Report, state: str = "settling") -> str:
    """Why the whole history was read; fails when it was not."""
    assert report.reach.before is None
    assert report.state == state, report.findings
    return report.reach.why


async def test_a_role_that_may_not_read_checkpoints_reads_everything(shop, reader):
    report = await prove(reader, LIMITS)
    why = "no earlier proof can be read: permission denied for schema proof"
    # Nor can it read whether the record is whole, and says so.
    assert whole(report, "unknown") == why
    assert report.reach.orders == 4


async def test_a_role_that_may_only_read_builds_on_the_proofs_of_others(shop, reader, database_url):
    name = await reader.fetchval("SELECT current_user")
    await shop.execute(
        f"GRANT USAGE ON SCHEMA proof TO {name};"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA proof TO {name}"
    )
    for _ in range(2):
        report = await prove(reader, LIMITS)
        assert whole(report) == "there is no earlier proof to build on"
        assert report.reach.not_kept == "permission denied for table checkpoint"
    await prove(shop, LIMITS)
    await insert_confirmed_orders(shop, 3)
    report = await prove(reader, LIMITS)
    assert (report.reach.proven, report.reach.orders, report.reach.in_all) == (4, 3, 7)
    assert report.reach.not_kept == "permission denied for table checkpoint"


async def test_a_database_without_the_tables_of_the_proof_reads_everything(shop, auditor):
    await shop.execute("DROP TABLE proof.checkpoint")
    assert '"proof.checkpoint" does not exist' in whole(await prove(auditor, LIMITS), "violated")
    await shop.execute("DROP SCHEMA proof CASCADE")
    assert "missing" in whole(await prove(auditor, LIMITS), "violated")


async def test_everything_is_read_without_a_snapshot_that_lasts(shop, auditor):
    """What was deleted meanwhile could not be cleared away."""
    pid, is_judging, seen = auditor.get_server_pid(), asyncio.Event(), False
    last = invariants(LIMITS)[-1]

    async def sees_what_came_later() -> bool:
        await is_judging.wait()
        began = await shop.fetchval("SELECT pg_current_xact_id()::text::bigint")
        while is_judging.is_set():
            oldest = await shop.fetchval(
                "SELECT backend_xmin::text::bigint FROM pg_stat_activity WHERE pid = $1", pid
            )
            if oldest is not None and oldest > began and is_judging.is_set():
                return True
            await shop.execute("SELECT pg_current_xact_id()")
        return False

    def note(step: ProofStep) -> None:
        (is_judging.clear if step.promises == (last,) else is_judging.set)()

    while not seen:  # it is looked for between two promises, and may be missed
        watching = asyncio.create_task(sees_what_came_later())
        await prove(auditor, LIMITS, whole=True, on_step=note)
        seen = await watching


async def test_an_order_that_comes_while_everything_is_read_is_counted_once(
    shop, auditor, database_url
):
    writer = await asyncpg.connect(database_url)
    writing = writer.transaction()
    await writing.start()
    await insert_confirmed_orders(writer, 2)
    ends: list[asyncio.Task[None]] = []

    def commit(_: ProofStep) -> None:
        if not ends:
            ends.append(asyncio.create_task(writing.commit()))

    await prove(auditor, LIMITS, whole=True, on_step=commit)
    await ends[0]
    report = await prove(auditor, LIMITS)
    assert report.reach.before is not None
    assert report.reach.in_all == await shop.fetchval("SELECT count(*) FROM orders.orders")
    await writer.close()


async def test_the_whole_history_is_read_if_asked(shop, auditor):
    assert whole(await prove(auditor, LIMITS, whole=True)) == "as asked"


async def test_a_changed_rule_or_a_changed_promise_was_not_proven_before(
    shop, auditor, monkeypatch
):
    # Off for a moment: another row in the catalogue that says the same.
    await shop.execute("ALTER TABLE orders.orders DISABLE TRIGGER guard_order")
    await shop.execute("ALTER TABLE orders.orders ENABLE TRIGGER guard_order")
    assert whole(await prove(auditor, LIMITS)) == "there is no earlier proof to build on"
    assert (await prove(auditor, LIMITS)).reach.before is not None
    monkeypatch.setattr(checkpoint, "CHANGED_ORDERS", f"{checkpoint.CHANGED_ORDERS} -- newer")
    assert whole(await prove(auditor, LIMITS)) == "there is no earlier proof to build on"


@pytest.mark.parametrize("off", ["DISABLE TRIGGER", "ENABLE TRIGGER"])
async def test_while_changes_are_not_marked_no_checkpoint_is_used_or_saved(shop, auditor, off):
    await shop.execute(f"ALTER TABLE gateway.charges {off} mark_change")
    kept = await shop.fetchrow("SELECT * FROM proof.checkpoint")
    await insert_confirmed_orders(shop, 2)
    why = "triggers that mark changes are missing or off"
    assert whole(await prove(auditor, LIMITS), "violated") == why
    assert await shop.fetchrow("SELECT * FROM proof.checkpoint") == kept


async def test_a_truncated_table_is_noticed(shop, auditor):
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="never emptied"):
        await shop.execute("TRUNCATE gateway.charges")
    await shop.execute("SET session_replication_role = replica")
    await shop.execute("TRUNCATE gateway.charges")
    report = await prove(auditor, LIMITS)
    assert report.reach.why == "there is no earlier proof to build on"
    assert "I4" in {each.invariant.id for each in report.those("violated")}


async def test_with_too_many_changed_orders_everything_is_read(shop, auditor, monkeypatch):
    monkeypatch.setattr(checkpoint, "_MIN_LIMIT", 3)
    await insert_confirmed_orders(shop, 4)
    assert whole(await prove(auditor, LIMITS)) == "more than 3 orders changed since the last proof"
    await insert_confirmed_orders(shop, 3)
    assert (await prove(auditor, LIMITS)).reach.orders == 3


async def test_a_checkpoint_ahead_of_all_transactions_is_not_used_and_is_replaced(shop, auditor):
    await push_ahead(shop, before=2**64 - 1)
    assert whole(await prove(auditor, LIMITS)) == "the earlier proof is ahead of this database"
    assert (await prove(auditor, LIMITS)).reach.before is not None


async def test_a_checkpoint_that_was_altered_is_not_used(shop, auditor):
    await shop.execute("UPDATE proof.checkpoint SET orders = orders - 1")
    assert whole(await prove(auditor, LIMITS)) == "there is no earlier proof to build on"
    assert (await prove(auditor, LIMITS)).reach.before is not None


async def test_a_checkpoint_that_is_not_valid_is_not_used(shop, auditor):
    await shop.execute("""UPDATE proof.checkpoint SET moved = '[["PROD-001", "sold", "many"]]'""")
    await insert_confirmed_orders(shop, 1)
    assert whole(await prove(auditor, LIMITS)) == "there is no earlier proof to build on"
    assert (await prove(auditor, LIMITS)).reach.before is not None


async def test_in_a_restored_database_marks_of_the_other_server_are_not_used(shop, auditor):
    # What a restored dump contains: marks that are far ahead, and a checkpoint of another server.
    for table in ("orders.orders", "inventory.stock_moves", "payments.ledger"):
        await shop.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER USER;"
            f"UPDATE {table} SET changed_in = '4000000000';"
            f"ALTER TABLE {table} ENABLE TRIGGER USER;"
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER mark_change,"
            " ENABLE ALWAYS TRIGGER note_truncation"
        )
    await shop.execute(
        "UPDATE proof.checkpoint SET promises = 'of another server';"
        "ALTER TABLE proof.chain DISABLE TRIGGER USER; DELETE FROM proof.chain;"
        "ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only,"
        " ENABLE ALWAYS TRIGGER refuse_truncation"
    )
    assert whole(await prove(auditor, LIMITS)) == "there is no earlier proof to build on"
    await insert_confirmed_orders(shop, 2)
    for changed in (2, 0):
        report = await prove(auditor, LIMITS)
        assert (report.reach.orders, report.state) == (changed, "settling")
    # Marks cannot say what moved since, so units are counted from the first move.
    mine = "SELECT moved FROM proof.checkpoint WHERE promises <> 'of another server'"
    assert await shop.fetchval(mine) is None
    await shop.execute("UPDATE inventory.stock SET stock = stock - 1, sold = sold + 1")
    assert "I21" in {each.invariant.id for each in (await prove(auditor, LIMITS)).those("violated")}
