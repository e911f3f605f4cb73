"""A database with a few finished orders in it, and the means to break it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.proof.rows import fill


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    await fill(connection)
    yield connection
    await connection.close()
