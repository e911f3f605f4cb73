"""The order service's own pool on a database that a module shares."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from chassis.database.pool import Database
from tests.harness.serving import settings_of
from tests.services.order.order_rows import OrderRows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orders_db(module_database: str, eyes: asyncpg.Connection) -> AsyncIterator[OrderRows]:
    """Orders, taken and moved by hand."""
    pool = Database(settings_of("order", module_database))
    yield OrderRows(pool, eyes)
    await pool.close()
