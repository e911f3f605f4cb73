"""PostgreSQL cut off, gone, frozen, or heard of no more: what a service then knows and does."""

import asyncio
import gc
import time

import asyncpg
import pytest

from chassis.database.pool import CommitUnknown, Database, DatabaseBusy, DatabaseDown
from tests.chassis.pgwire import PgWire
from tests.chassis.pool import BOUNDS, SLEEP, add, has
from tests.harness.patience import LATE_S


async def test_a_server_that_is_gone_means_down_and_is_found_again(
    database: Database, wire: PgWire
):
    await add(database, "A")
    await wire.take_away()
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises((DatabaseDown, CommitUnknown)):
            await add(database, "B")
        assert time.monotonic() - begun < LATE_S
    with pytest.raises(DatabaseDown):
        await add(database, "B")
    await wire.mend()
    await add(database, "B")


async def test_a_connection_that_died_while_idle_costs_no_request(database: Database, wire: PgWire):
    await add(database, "A")
    wire.cut()
    await asyncio.sleep(0.05)
    await add(database, "B")


async def test_a_connection_that_is_lost_while_it_is_given_back_is_nobodys_fault(
    database: Database,
):
    async with database.connect() as c:
        raw = c._wire._con  # noqa: SLF001 - the network ends it, between two turns of the event loop
        asyncio.get_running_loop().call_soon(raw.terminate)
    await add(database, "A")


async def test_who_leaves_twice_while_a_statement_is_cancelled_leaves_no_exception_unheard(
    database: Database, wire: PgWire
):
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: unheard.append(about))

    async def work() -> None:
        async with database.connect() as c:
            await c.row(SLEEP, seconds=30.0)

    working = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    wire.freeze()
    for _ in range(2):
        working.cancel()
        await asyncio.sleep(0.05)
    assert working.cancelled()
    await asyncio.sleep(BOUNDS["pool_wait_s"] + 0.2)
    wire.thaw()
    await add(database, "A")
    gc.collect()
    assert unheard == []


async def test_a_connection_cut_in_mid_statement_leaves_it_unknown(
    database: Database, wire: PgWire
):
    async def work() -> None:
        async with database.connect() as c:
            await c.row(SLEEP, seconds=0.3)

    working = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    wire.cut()
    with pytest.raises(CommitUnknown):
        await working
    await add(database, "A")


async def test_a_commit_whose_answer_is_lost_is_unknown_though_it_happened(
    database: Database, wire: PgWire, connection: asyncpg.Connection
):
    wire.swallow_answer_to = b"COMMIT"
    with pytest.raises(CommitUnknown):
        await add(database, "A")
    assert await has(connection, "A")
    await add(database, "B")


async def test_an_insert_whose_answer_is_lost_is_unknown_and_was_rolled_back(
    database: Database, wire: PgWire, connection: asyncpg.Connection
):
    await add(database, "A")
    wire.swallow_answer_to = b"B-product"
    with pytest.raises(CommitUnknown):
        await add(database, "B-product")
    assert not await has(connection, "B-product")


async def test_a_server_that_freezes_is_given_up_after_its_statements_time(
    database: Database, wire: PgWire
):
    await add(database, "A")
    wire.freeze()
    begun = time.monotonic()
    with pytest.raises(CommitUnknown):
        await add(database, "B")
    assert time.monotonic() - begun < BOUNDS["statement_timeout_s"] + 1 + LATE_S
    with pytest.raises(DatabaseBusy):
        await add(database, "C")
    wire.thaw()
    await add(database, "D")
