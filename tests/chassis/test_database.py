"""The database under a service: bounded, honest about what it did, back after any outage."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, column, select, table, text

from chassis.database.pool import (
    CallerGone,
    CommitUnknown,
    Database,
    DatabaseBusy,
    Effects,
    LockNotFree,
    effects_now,
    statement,
)
from chassis.telemetry.context import deadline_now
from tests.chassis.pool import PRODUCT, SLEEP, add, has
from tests.harness.patience import LATE_S

_COUNT = statement(text("SELECT count(*) AS n FROM orders.products WHERE product_id = :id"))
_ONE = statement(text("SELECT 1 AS one"))


async def _sessions(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "SELECT state, query FROM pg_stat_activity WHERE application_name = 'valerix-order'"
    )
    return [(row["state"], row["query"]) for row in rows]


async def test_a_transaction_is_all_or_nothing(database: Database, connection: asyncpg.Connection):
    async def add_twice() -> None:
        async with database.begin() as tx:
            await tx.execute(PRODUCT, id="A")
            await tx.execute(PRODUCT, id="A")

    async def have_a_bug() -> None:
        async with database.begin() as tx:
            await tx.execute(PRODUCT, id="A")
            raise ZeroDivisionError

    with pytest.raises(asyncpg.UniqueViolationError):
        await add_twice()
    with pytest.raises(ZeroDivisionError):
        await have_a_bug()
    assert not await has(connection, "A")
    await add(database, "A")
    assert await has(connection, "A")
    assert database.in_use == 0


async def test_once_it_is_closed_the_server_has_no_session_of_it(
    database: Database, connection: asyncpg.Connection
):
    await add(database, "A")
    assert await _sessions(connection)
    pool = database._pool  # noqa: SLF001 - or the garbage collector would close it as well
    await database.close()
    async with asyncio.timeout(LATE_S):
        while await _sessions(connection):
            await asyncio.sleep(0.02)
    assert pool is not None


async def test_each_committed_change_rings_and_nothing_else(database: Database):
    rings: list[str] = []
    done = ""
    database.after_commit = lambda: rings.append(done)
    async with database.connect() as c:
        done = "a statement"
        await c.execute(PRODUCT, id="A")
        done = "a look"
        await c.row(_COUNT, id="A")
        done = "a change of no row"
        await c.execute(statement(text("DELETE FROM orders.products WHERE product_id = 'none'")))
        done = "a refusal"
        with pytest.raises(asyncpg.UniqueViolationError):
            await c.execute(PRODUCT, id="A")
    done = "a transaction"
    async with database.begin() as tx:
        await tx.execute(PRODUCT, id="B")
    done = "a transaction that only looks"
    async with database.begin() as tx:
        await tx.row(_COUNT, id="A")
    assert rings == ["a statement", "a transaction"]


async def test_a_failed_statement_leaves_the_connection_usable(database: Database):
    async with database.connect() as c:
        with pytest.raises(asyncpg.CheckViolationError):
            await c.execute(statement(text("UPDATE orders.products SET price_minor = 0")))
        assert (await c.row(_ONE))["one"] == 1
    assert (database.in_use, database.idle) == (0, 1)


async def test_a_full_pool_means_busy_after_a_bounded_wait_and_nothing_was_done(
    database: Database,
):
    async with database.connect(), database.connect():
        begun = time.monotonic()
        with pytest.raises(DatabaseBusy):
            await add(database, "A")
        assert 0.25 < time.monotonic() - begun < 0.3 + LATE_S
    async with database.connect() as c:
        assert (await c.row(_COUNT, id="A"))["n"] == 0


async def test_what_may_last_is_known_to_the_request(database: Database):
    async def read() -> None:
        async with database.begin() as tx:
            await tx.row(_COUNT, id="A")

    async def roll_back() -> None:
        with contextlib.suppress(RuntimeError):
            async with database.begin() as tx:
                await tx.execute(PRODUCT, id="A")
                raise RuntimeError

    async def refused() -> None:
        with pytest.raises(asyncpg.UniqueViolationError):
            async with database.connect() as c:
                await c.execute(PRODUCT, id="B")

    async def change() -> None:
        async with database.connect() as c:
            await c.execute(PRODUCT, id="C")

    async def seen(work: Callable[[], Awaitable[None]]) -> bool:
        effects = Effects()
        effects_now.set(effects)
        # As a handler does its work: in a task of its own, too.
        await asyncio.gather(work())
        return effects.any

    assert await seen(lambda: add(database, "B"))
    assert [await seen(each) for each in (read, roll_back, refused, change)] == [
        False, False, False, True,
    ]  # fmt: skip


async def test_a_statement_or_a_lock_that_takes_too_long_is_ended_by_the_server(
    database: Database, connection: asyncpg.Connection
):
    async with database.connect() as c:
        with pytest.raises(asyncpg.QueryCanceledError):
            await c.row(SLEEP, seconds=5)
    async with connection.transaction():
        await connection.execute("LOCK TABLE orders.products")
        begun = time.monotonic()
        with pytest.raises(LockNotFree):
            await add(database, "A")
        assert time.monotonic() - begun < 0.2 + LATE_S


async def test_a_forgotten_transaction_is_ended_by_the_server(
    database: Database, connection: asyncpg.Connection
):
    async def dawdle() -> None:
        async with database.begin() as tx:
            await tx.execute(PRODUCT, id="A")
            await asyncio.sleep(0.8)
            await tx.execute(PRODUCT, id="B")

    with pytest.raises(CommitUnknown):
        await dawdle()
    assert not await has(connection, "A")
    await add(database, "C")


@pytest.mark.parametrize("while_waiting", [True, False])
async def test_a_cancel_in_mid_transaction_leaves_nothing_behind(
    database: Database, connection: asyncpg.Connection, while_waiting: bool
):
    async def work() -> None:
        async with database.begin() as tx:
            await tx.execute(PRODUCT, id="A")
            await (tx.row(SLEEP, seconds=0.3) if while_waiting else asyncio.sleep(0.3))

    for _ in range(4):
        working = asyncio.create_task(work())
        await asyncio.sleep(0.08)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert not await has(connection, "A")
    assert database.in_use == 0
    assert not [query for state, query in await _sessions(connection) if "transaction" in state]
    await add(database, "B")


async def test_work_for_a_caller_whose_time_is_up_is_rolled_back(
    database: Database, connection: asyncpg.Connection
):
    async def add_late(name: str, *, for_caller: bool) -> None:
        async with database.begin(for_caller=for_caller) as tx:
            await tx.execute(PRODUCT, id=name)
            await asyncio.sleep(0.1)

    token = deadline_now.set(time.monotonic() + 0.05)
    try:
        with pytest.raises(CallerGone):
            await add_late("A", for_caller=True)
        await add_late("B", for_caller=False)
    finally:
        deadline_now.reset(token)
    assert not await has(connection, "A")
    assert await has(connection, "B")


async def test_values_come_back_as_they_went(database: Database):
    echo = statement(
        text(
            "SELECT CAST(:document AS jsonb) AS document, CAST(:id AS uuid) AS id,"
            " CAST(:words AS text[]) AS words"
        )
    )
    sent = {"document": {"a": [1, "ü", None], "b": {"c": 1.5}}, "id": uuid4(), "words": ["x", ""]}
    async with database.connect() as c:
        assert dict(await c.row(echo, **sent)) == sent


def test_a_list_of_unknown_length_is_refused_at_import():
    numbers = table("numbers", column("n"))
    with pytest.raises(ValueError, match="IN list"):
        statement(select(numbers).where(numbers.c.n.in_(bindparam("all", expanding=True))))


async def test_closing_takes_a_bounded_time_though_a_connection_is_in_use(database: Database):
    async with database.connect():
        begun = time.monotonic()
        await database.close()
        assert time.monotonic() - begun < 2.0 + LATE_S
