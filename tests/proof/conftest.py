"""A database with a few orders in it, and a connection that has proven it once."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from proof import Limits
from proof.evaluate import prove
from tests.proof.checkpoints import seal_all
from tests.proof.rows import fill


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    await fill(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def auditor(shop: asyncpg.Connection, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that has sealed the shop and proven it twice; nothing has changed since."""
    connection = await asyncpg.connect(database_url)
    await seal_all(connection)
    first = await prove(connection, Limits())
    assert (first.reach.before, first.reach.orders, first.reach.not_kept) == (None, 4, "")
    second = await prove(connection, Limits())
    assert (second.reach.proven, second.reach.orders) == (4, 0)
    yield connection
    await connection.close()
