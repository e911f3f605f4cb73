"""A database with a few orders in it, and a connection that has proven it once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from proof import Limits
from proof.evaluate import prove
from tests.harness.running import Databases
from tests.proof.checkpoints import seal_all
from tests.proof.rows import fill
from tests.proof.wallet_rows import fill_wallets


@pytest.fixture(scope="session")
def filled_shop(databases: Databases) -> str:
    """The name of a database with three settled orders and a pending one, to copy."""
    return _make(databases, _fill)


@pytest.fixture(scope="session")
def proven_shop(databases: Databases, filled_shop: str) -> str:
    """The same, proven; its chain begins in each copy, as what is outside of it does."""
    return _make(databases, _prove, template=filled_shop)


def _make(
    databases: Databases,
    change: Callable[[asyncpg.Connection], Awaitable[None]],
    template: str | None = None,
) -> str:
    url = databases.create(template=template)

    async def connect_and_change() -> None:
        connection = await asyncpg.connect(url)
        try:
            await change(connection)
        finally:
            await connection.close()

    asyncio.run(connect_and_change())
    return urlsplit(url).path[1:]


async def _fill(connection: asyncpg.Connection) -> None:
    await fill(connection)
    await fill_wallets(connection)


async def _prove(connection: asyncpg.Connection) -> None:
    report = await prove(connection, Limits())
    assert (report.reach.before, report.reach.orders, report.reach.not_kept) == (None, 4, "")


@pytest.fixture
def database_url(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """An empty shop's, or for who asks for `shop`, or for `auditor`, a copy of the one made."""
    kinds = {"auditor": "proven_shop", "shop": "filled_shop"}
    kind = next((kinds[each] for each in kinds if each in request.fixturenames), None)
    url = databases.create(template=kind and request.getfixturevalue(kind))
    yield url
    databases.drop(url)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def auditor(shop: asyncpg.Connection, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that has sealed the shop, which was proven; nothing has changed since."""
    connection = await asyncpg.connect(database_url)
    try:
        await seal_all(connection)
        yield connection
    finally:
        await connection.close()
