"""Backing off, claiming and working on due rows of a table that knows no order and no payment."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, literal_column

from chassis.database.pool import (
    CommitUnknown,
    Connection,
    Database,
    DatabaseBusy,
    DatabaseDown,
)
from chassis.due_work import Backoff, DueWork, DueWorker, backoff, lease
from chassis.http.app import _keep_running
from tests.harness.plans import plans_with_index
from tests.harness.serving import settings_of

_time = DateTime(timezone=True)
JOBS = Table(
    "jobs",
    MetaData(schema="orders"),
    Column("name", Text, primary_key=True),
    Column("state", Text),
    Column("attempts", Integer),
    Column("next_attempt_at", _time),
    Column("updated_at", _time),
)
_DUE = "state IN ('open', 'stuck') OR state = 'half'"
LEASED = DueWork(JOBS, key=JOBS.c.name, state=JOBS.c.state, due=_DUE, again_s=lease())
BACKED_OFF = DueWork(
    JOBS,
    key=JOBS.c.name,
    state=JOBS.c.state,
    due=_DUE,
    again_s=backoff(JOBS.c.attempts, floor=0.5, chance=literal_column("0.25::float8")),
    on_claim={"attempts": JOBS.c.attempts + literal_column("1")},
)


@pytest_asyncio.fixture
async def database(database_url: str, connection: asyncpg.Connection) -> AsyncIterator[Database]:
    await connection.execute(
        "CREATE TABLE orders.jobs (name text PRIMARY KEY, state text, attempts int DEFAULT 0,"
        " next_attempt_at timestamptz DEFAULT now(),"
        " updated_at timestamptz DEFAULT now() - interval '1 minute')"
    )
    await connection.execute(f"CREATE INDEX jobs_due ON orders.jobs (next_attempt_at) WHERE {_DUE}")
    database = Database(settings_of("order", database_url))
    yield database
    await database.close()


async def _add(
    connection: asyncpg.Connection, name: str, due_s: float, state: str = "open"
) -> None:
    await connection.execute(
        "INSERT INTO orders.jobs (name, state, next_attempt_at)"
        " VALUES ($1, $2, now() + $3 * interval '1 second')",
        name, state, due_s,
    )  # fmt: skip


async def _due_in_s(connection: asyncpg.Connection, name: str) -> float:
    due_s: float = await connection.fetchval(
        "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM orders.jobs"
        " WHERE name = $1", name
    )  # fmt: skip
    return due_s


@given(st.integers(0, 10_000), st.floats(0.01, 10), st.floats(10, 600), st.floats(0, 1))
def test_backoff_grows_and_stays_within_twice_its_cap(
    attempts: int, base_s: float, max_s: float, chance: float
):
    times = Backoff(base_s, max_s)
    delay_s = times.delay_s(attempts, chance)
    assert base_s <= delay_s <= 2 * max_s
    assert times.delay_s(attempts + 1, chance) >= delay_s


def test_backoff_is_spread_by_chance_above_its_floor():
    assert Backoff(0.25, 60).delay_s(3, 0.0) == 2.0
    assert Backoff(0.25, 60).delay_s(3, 0.5) == 3.0
    assert Backoff(0.25, 60, floor=0.5).delay_s(3, 0.5) == 2.0
    assert Backoff(0.25, 60).delay_s(10_000, 0.0) == 60


@pytest.mark.parametrize("attempts", [0, 1, 4, 5, 1000])
async def test_sql_backs_off_as_python_does(
    database: Database, connection: asyncpg.Connection, attempts: int
):
    await _add(connection, "a", -1)
    await connection.execute("UPDATE orders.jobs SET attempts = $1", attempts)
    async with database.connect() as c:
        assert await BACKED_OFF.claim(c, 5, base_s=2.0, max_s=40.0) == ["a"]
    expected_s = Backoff(2.0, 40.0, floor=0.5).delay_s(attempts, 0.25)
    assert await _due_in_s(connection, "a") == pytest.approx(expected_s, abs=1.5)
    assert await connection.fetchval("SELECT attempts FROM orders.jobs") == attempts + 1


async def test_an_index_with_the_predicate_serves_claim_wake_and_backlog(
    database: Database, connection: asyncpg.Connection
):
    assert await plans_with_index(connection, LEASED) == {"jobs_due"}


async def test_a_claim_takes_the_most_overdue_once_and_leases_them(
    database: Database, connection: asyncpg.Connection
):
    for name, due_s, state in (
        ("late", -5, "open"), ("later", -9, "stuck"), ("latest", -20, "half"),
        ("soon", 60, "open"), ("done", -60, "done"),
    ):  # fmt: skip
        await _add(connection, name, due_s, state)
    async with database.connect() as c:
        assert set(await LEASED.claim(c, 2, lease_s=9.0)) == {"latest", "later"}
        assert await LEASED.claim(c, 9, lease_s=9.0) == ["late"]
        assert await LEASED.claim(c, 9, lease_s=9.0) == []
    assert 8 < await _due_in_s(connection, "late") <= 9


class _Worked:
    """Work that is under way until it is released, and fails when its name says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.release = asyncio.Event()

    async def work(self, key: str) -> None:
        self.begun.append(key)
        if key == "bad":
            raise RuntimeError(key)
        if key == "slow":
            await self.release.wait()


async def _claim(c: Connection, most: int) -> list[str]:
    return await LEASED.claim(c, most, lease_s=60.0)


async def test_a_failure_stops_no_other_row_and_is_logged_with_its_key(
    database: Database, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
):
    worked = _Worked()
    for name in ("bad", "good"):
        await _add(connection, name, -1)
    worker = DueWorker(database, _claim, worked.work, places=2, batch=2, poll_s=0.01, log_key="job")
    assert await worker.run_once() == 2
    assert sorted(worked.begun) == ["bad", "good"]
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.job == "bad"  # type: ignore[attr-defined]


async def test_a_slow_row_keeps_its_own_place_and_no_more_than_the_places_are_worked_on(
    database: Database, connection: asyncpg.Connection
):
    worked, claims = _Worked(), list[int]()

    async def claim(c: Connection, most: int) -> list[str]:
        claims.append(most)
        return await _claim(c, most)

    await _add(connection, "slow", -9)
    for n in range(5):
        await _add(connection, f"quick-{n}", -1)
    worker = DueWorker(database, claim, worked.work, places=2, batch=8, poll_s=0.01)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while len(worked.begun) < 6:
            await asyncio.sleep(0.01)
    assert claims[0] == 2
    assert max(claims[1:]) == 1  # one place is the slow row's
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("error", "has_stack"),
    [(DatabaseBusy("x"), False), (DatabaseDown("x"), False), (CommitUnknown("x"), False),
     (ValueError("x"), True)],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
async def test_only_a_trouble_that_nobody_knows_is_logged_with_its_stack(
    database: Database, caplog: pytest.LogCaptureFixture, error: Exception, has_stack: bool
):
    async def claim(_: Connection, most: int) -> list[str]:
        return ["a row"]

    async def fail(*_: str) -> None:
        raise error

    await DueWorker(database, claim, fail, places=1, batch=1, poll_s=1).run_once()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_keep_running(fail), 0.05)
    row, loop = (record for record in caplog.records if "failed; " in record.message)
    for record in (row, loop):
        assert bool(record.exc_info) is has_stack
        assert has_stack or record.__dict__["trouble"] == type(error).__name__
