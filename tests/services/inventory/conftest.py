"""The inventory's own pool on a database that a module shares, and a shelf for each test."""

import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from chassis.database.pool import Database
from tests.harness.serving import settings_of
from tests.services.inventory.shelf import Shelf

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(module_database: str) -> AsyncIterator[Database]:
    """The service's connections."""
    database = Database(settings_of("inventory", module_database))
    yield database
    await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shelf(pool: Database, eyes: asyncpg.Connection) -> AsyncIterator[Shelf]:
    """Ten units of a product nobody else touches."""
    product_id = f"SHELF-{next(_numbers)}"
    await eyes.execute(
        "INSERT INTO inventory.stock (product_id, total, stock) VALUES ($1, 10, 10)", product_id
    )
    yield Shelf(pool, eyes, product_id)
