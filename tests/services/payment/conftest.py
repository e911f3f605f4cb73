"""A payments for each module: the composed service, and tables as the migrations left them for each
test."""

from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
import pytest_asyncio

from chassis.settings import Settings
from fleet.settings import load
from tests.services.payment.account_shop import Shop, open_shop
from tests.services.payment.payment_service import (
    GATEWAY_TIMEOUT_S,
    Replica,
    keep_rows,
    open_replica,
)


def _settings(database_url: str) -> Callable[..., Settings]:
    def build(**overrides: object) -> Settings:
        calm: dict[str, object] = {
            "payment_decline_rate": 0.0,
            "payment_stripe_accounts": "",  # the acquirer is asked where a test has started one
            "payment_gateway_timeout_s": GATEWAY_TIMEOUT_S,
            "payment_probe_base_s": 0.01,
            "payment_probe_max_s": 0.05,
            "pool_wait_s": 20.0,  # forty at once on a busy machine are not turned away
        }
        return load("payment", {}, **{"database_url": database_url, **calm, **overrides})

    return build


@pytest.fixture(scope="module")
def payment_settings(module_database: str) -> Callable[..., Settings]:
    """Settings of a provider that approves everything, quickly; override to make it worse."""
    return _settings(module_database)


@pytest.fixture
def own_settings(database_url: str) -> Callable[..., Settings]:
    """The same on a database of the test's own, as is `own_connection`."""
    return _settings(database_url)


@pytest_asyncio.fixture(loop_scope="module")
async def own_connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A look at the test's own database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def put_back(eyes: asyncpg.Connection) -> str:
    """SQL that leaves in the module's tables what the migrations left in them."""
    return await keep_rows(eyes)


@pytest_asyncio.fixture(loop_scope="module")
async def connection(eyes: asyncpg.Connection, put_back: str) -> asyncpg.Connection:
    """A look at the module's tables, which are as the migrations left them."""
    await eyes.execute(put_back)
    return eyes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_payments(
    payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """The module's provider that approves, and fences."""
    async with open_replica(payment_settings(), eyes) as payments:
        yield payments


@pytest_asyncio.fixture(loop_scope="module")
async def payments(
    open_payments: Replica, connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """A provider that approves, and fences; what is counted was counted for the module."""
    yield open_payments
    await open_payments.forget()


@pytest_asyncio.fixture(loop_scope="module")
async def own_payments(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """The same, in a process that has counted nothing yet."""
    async with open_replica(payment_settings(), connection) as payments:
        yield payments


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_declining(
    payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """The module's provider that declines everything."""
    async with open_replica(payment_settings(payment_decline_rate=1.0), eyes) as payments:
        yield payments


@pytest_asyncio.fixture(loop_scope="module")
async def declining(
    open_declining: Replica, connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """A provider that declines everything."""
    yield open_declining
    await open_declining.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_unfenced(
    payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """The module's provider that cannot fence."""
    async with open_replica(payment_settings(payment_gateway_fences=False), eyes) as payments:
        yield payments


@pytest_asyncio.fixture(loop_scope="module")
async def unfenced(
    open_unfenced: Replica, connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """A provider that cannot fence: a void is no promise about a charge that comes later."""
    yield open_unfenced
    await open_unfenced.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_accounts(
    payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """The module's merchant with accounts."""
    async with open_shop(payment_settings(), eyes) as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="module")
async def shop(open_accounts: Shop, connection: asyncpg.Connection) -> AsyncIterator[Shop]:
    """A merchant with accounts; what is counted was counted for the module."""
    yield open_accounts
    await open_accounts.forget()


@pytest_asyncio.fixture(loop_scope="module")
async def own_shop(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """One whose process has counted nothing yet."""
    async with open_shop(payment_settings(), connection) as shop:
        yield shop
