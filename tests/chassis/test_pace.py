"""A loop looks again soon after its process wrote, and leaves the database alone otherwise."""

import asyncio

import pytest
from sqlalchemy import text

from chassis.database.pace import PollPace
from chassis.database.pool import Database, statement
from chassis.settings import Settings
from tests.harness.patience import ARRIVES_S

_WRITE = statement(text("CREATE TABLE IF NOT EXISTS looked (n int)"))
_INSERT = statement(text("INSERT INTO looked VALUES (1)"))
_SOON_S, _NEVER_S = 0.001, 3600.0


async def test_a_loop_waits_until_its_process_has_written_in_any_pool(database_url: str):
    settings = Settings(service="test", database_url=database_url)
    database, other = Database(settings), Database(settings)
    pace = PollPace(database, _SOON_S, _NEVER_S)
    await pace.wait()
    waiting = asyncio.create_task(pace.wait())
    async with other.connect() as connection:
        await connection.execute(_WRITE)
        assert not (await asyncio.wait([waiting], timeout=20 * _SOON_S))[0]
        await connection.execute(_INSERT)
    await asyncio.wait_for(waiting, ARRIVES_S)
    await other.close()
    await database.close()


async def test_a_loop_that_has_something_left_to_do_looks_soon(database_url: str):
    pace = PollPace(
        Database(Settings(service="test", database_url=database_url)), _SOON_S, _NEVER_S
    )
    await pace.wait()
    await asyncio.wait_for(pace.wait(is_quiet=False), ARRIVES_S)


@pytest.mark.parametrize("turns", range(4))
async def test_a_loop_that_is_stopped_in_the_moment_of_a_write_ends(database_url: str, turns: int):
    pace = PollPace(
        Database(Settings(service="test", database_url=database_url)), _SOON_S, _NEVER_S
    )
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
