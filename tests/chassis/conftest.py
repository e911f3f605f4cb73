"""One bare service per module; a module may set BARE to settings of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chassis.database.pool import Database
from tests.chassis.bare import Bare, run_bare
from tests.chassis.pgwire import PgWire, wire_to
from tests.chassis.pool import BOUNDS
from tests.harness.serving import settings_of


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_bare(request: pytest.FixtureRequest, module_database: str) -> AsyncIterator[Bare]:
    """The module's bare service."""
    overrides = getattr(request.module, "BARE", {})
    async with run_bare(settings_of("order", module_database, **overrides)) as bare:
        yield bare


@pytest_asyncio.fixture(loop_scope="module")
async def bare(running_bare: Bare) -> AsyncIterator[Bare]:
    """The module's bare service, calm, with nothing made yet."""
    running_bare.made.clear()
    yield running_bare
    (await running_bare.door.delete("/gremlins")).raise_for_status()


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[PgWire]:
    """A wire to this test's database."""
    async with wire_to(database_url) as wire:
        yield wire


@pytest.fixture
async def database(wire: PgWire) -> AsyncIterator[Database]:
    """Two connections over the wire, with tight bounds."""
    database = Database(settings_of("order", wire.url, **BOUNDS))
    yield database
    await database.close()
