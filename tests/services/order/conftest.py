"""The order service's own pool on a database that a module shares."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from chassis.database.pool import Database
from tests.harness.serving import settings_of
from tests.services.order.desk import Desk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database: str, eyes: asyncpg.Connection) -> AsyncIterator[Desk]:
    """Orders, taken and moved by hand."""
    pool = Database(settings_of("order", module_database))
    yield Desk(pool, eyes)
    await pool.close()
