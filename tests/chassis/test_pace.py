"""A loop looks again soon after anybody wrote, and leaves the database alone otherwise."""

import asyncio
import time

import asyncpg
import pytest
from sqlalchemy import text

from chassis.database import pace as pace_of
from chassis.database.pace import Changes, PollPace
from chassis.database.pool import Database, statement
from chassis.settings import Settings
from tests.harness.patience import ARRIVES_S

_WRITE = statement(text("CREATE TABLE IF NOT EXISTS looked (n int)"))
_INSERT = statement(text("INSERT INTO looked VALUES (1)"))
_SNAPSHOT = "SELECT pg_current_snapshot()::text"
_SOON_S = 0.001


async def test_a_loop_waits_until_its_process_has_written_in_any_pool(database_url: str):
    settings = Settings(service="test", database_url=database_url)
    database, other = Database(settings), Database(settings)
    pace = PollPace(database, _SOON_S)
    await pace.wait()
    waiting = asyncio.create_task(pace.wait())
    async with other.connect() as connection:
        await connection.execute(_WRITE)
        assert not (await asyncio.wait([waiting], timeout=20 * _SOON_S))[0]
        await connection.execute(_INSERT)
    await asyncio.wait_for(waiting, ARRIVES_S)
    await other.close()
    await database.close()


async def test_a_loop_looks_after_somebody_else_wrote_and_not_before(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace_of, "CHANGES_EVERY_S", 20 * _SOON_S)
    database = Database(Settings(service="test", database_url=database_url))
    elsewhere = await asyncpg.connect(database_url)
    pace, kept_still = PollPace(database, _SOON_S), False
    while not kept_still:  # other databases of this server change as well
        before = await elsewhere.fetchval(_SNAPSHOT)
        looking = asyncio.create_task(pace.wait())
        looked = (await asyncio.wait([looking], timeout=100 * _SOON_S))[0]
        looking.cancel()
        kept_still = not looked and before == await elsewhere.fetchval(_SNAPSHOT)
    await elsewhere.execute("CREATE TABLE written (n int)")
    await asyncio.wait_for(pace.wait(), ARRIVES_S)
    await elsewhere.close()
    await database.close()


async def test_it_is_still_for_as_long_as_nobody_writes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace_of, "_JUST_S", 0.0)
    database, changes = Database(Settings(service="test", database_url=database_url)), Changes()
    elsewhere = await asyncpg.connect(database_url)
    for_s = grown_s = 0.0
    while grown_s <= for_s:  # other databases of this server change as well
        for_s = await changes.still_s(database)
        await asyncio.sleep(_SOON_S)
        grown_s = await changes.still_s(database)
    at = time.monotonic()
    await elsewhere.execute("CREATE TABLE written (n int)")
    assert await changes.still_s(database) <= time.monotonic() - at
    await elsewhere.close()
    await database.close()


async def test_one_question_keeps_the_pool_of_requests_open_and_no_other(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace_of, "CHANGES_EVERY_S", _SOON_S)
    settings = Settings(service="test", database_url=database_url)
    requests, loops = Database(settings), Database(settings, size=1)
    async with requests.connect() as connection:
        await connection.execute(_WRITE)
    pace = PollPace(loops, _SOON_S)
    for _ in range(2):  # the first look comes without a question
        await asyncio.wait_for(pace.wait(), ARRIVES_S)
    assert (requests.idle, loops.idle) == (1, 0)
    await requests.close()


async def test_a_database_that_does_not_answer_is_a_reason_to_look(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(pace_of, "CHANGES_EVERY_S", _SOON_S)
    nowhere = Settings(service="test", database_url="postgresql://nobody@127.0.0.1:1/nothing")
    pace = PollPace(Database(nowhere), _SOON_S)
    await pace.wait()
    await asyncio.wait_for(pace.wait(), ARRIVES_S)


async def test_a_loop_that_has_something_left_to_do_looks_soon(database_url: str):
    pace = PollPace(Database(Settings(service="test", database_url=database_url)), _SOON_S)
    await pace.wait()
    await asyncio.wait_for(pace.wait(is_quiet=False), ARRIVES_S)


@pytest.mark.parametrize("turns", range(4))
async def test_a_loop_that_is_stopped_in_the_moment_of_a_write_ends(database_url: str, turns: int):
    pace = PollPace(Database(Settings(service="test", database_url=database_url)), _SOON_S)
    await pace.wait()

    async def look_for_ever() -> None:
        while True:
            await pace.wait()

    looking = asyncio.create_task(look_for_ever())
    await asyncio.sleep(20 * _SOON_S)
    pace._written.set()  # noqa: SLF001 - as a write does, between two turns of the event loop
    for _ in range(turns):
        await asyncio.sleep(0)
    looking.cancel()
    assert (await asyncio.wait([looking], timeout=ARRIVES_S))[0]
