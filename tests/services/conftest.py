"""What the tests of every service may ask for."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def eyes(module_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A look from outside."""
    connection = await asyncpg.connect(module_database)
    yield connection
    await connection.close()
