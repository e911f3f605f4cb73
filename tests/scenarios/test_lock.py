"""One act at a time: the lock says who has it, and comes back with the database."""

import asyncio

import asyncpg
import pytest

from scenarios.lock import LockTaken, LockUnavailable, ScenarioLock, holder


async def test_a_second_player_learns_who_plays_what_since_when(database_url):
    async with ScenarioLock(database_url, "slow-inventory", "a terminal (pid 7)"):
        with pytest.raises(LockTaken) as taken:
            async with ScenarioLock(database_url, "last-units", "the dashboard"):
                raise AssertionError("two acts at once")
        assert str(taken.value).startswith(
            "the act slow-inventory is being played by a terminal (pid 7) since "
        )
        found = await holder(database_url)
        assert found is not None
        assert (found.act, found.who) == ("slow-inventory", "a terminal (pid 7)")
    assert await holder(database_url) is None
    async with ScenarioLock(database_url, "last-units", "the dashboard"):
        pass


async def test_the_lock_of_a_player_that_dies_is_released(database_url):
    dead = ScenarioLock(database_url, "slow-inventory", "somebody")
    await dead.__aenter__()
    dead._connection.terminate()  # noqa: SLF001 - as the kernel closes the socket of a dead process
    for _ in range(100):
        if await holder(database_url) is None:
            break
        await asyncio.sleep(0.02)
    async with ScenarioLock(database_url, "last-units", "the dashboard"):
        pass


async def cut(database_url: str) -> None:
    """As a restarted database does it: every connection of an act is gone."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'valerix-act%' AND datname = current_database()"
        )
    finally:
        await connection.close()
    await asyncio.sleep(0.05)


async def test_the_lock_is_taken_again_after_the_database_was_away(database_url):
    async with ScenarioLock(database_url, "slow-inventory", "somebody") as lock:
        await cut(database_url)
        assert await holder(database_url) is None
        await lock.keep()
        assert (await holder(database_url)).act == "slow-inventory"


async def test_a_lock_that_somebody_else_took_meanwhile_stays_theirs(database_url):
    async with ScenarioLock(database_url, "slow-inventory", "somebody") as lock:
        await cut(database_url)
        async with ScenarioLock(database_url, "last-units", "another"):
            with pytest.raises(LockTaken, match="last-units is being played by another"):
                await lock.keep()


async def test_without_a_database_there_is_no_lock_and_no_holder():
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(LockUnavailable):
        await ScenarioLock(nowhere, "x", "y").__aenter__()
    assert await holder(nowhere) is None


async def test_a_long_name_is_cut_to_what_postgresql_keeps(database_url):
    async with ScenarioLock(database_url, "a" * 60, "b" * 60):
        found = await holder(database_url)
    assert found is not None
    assert found.act == "a" * 32
