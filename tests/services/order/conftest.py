"""The order service's own pool on a database that a module shares."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from chassis.database import Database
from tests.running import Databases
from tests.services.order.desk import Desk
from tests.serving import settings_of


@pytest.fixture(scope="module")
def module_database(databases: Databases) -> Iterator[str]:
    """A migrated database for one module."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def eyes(module_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A look from outside."""
    connection = await asyncpg.connect(module_database)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(module_database: str, eyes: asyncpg.Connection) -> AsyncIterator[Desk]:
    """Orders, taken and moved by hand."""
    pool = Database(settings_of("order", module_database))
    yield Desk(pool, eyes)
    await pool.close()
