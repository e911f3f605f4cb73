"""One wallet service and one acquirer for each module."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest_asyncio

from tests.harness.serving import create_service, knock, serve, settings_of
from tests.services.wallet.wallet_shop import WalletShop, run_wallet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def acquirer(module_database: str) -> AsyncIterator[httpx.AsyncClient]:
    """The world outside."""
    settings = settings_of("acquirer", module_database)
    async with serve(create_service("acquirer", settings), settings) as url, knock(url) as http:
        yield http


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_wallets(
    module_database: str, acquirer: httpx.AsyncClient, eyes: asyncpg.Connection
) -> AsyncIterator[WalletShop]:
    """The module's service."""
    async with run_wallet(module_database, str(acquirer.base_url)) as http:
        yield WalletShop(http, acquirer, eyes)


@pytest_asyncio.fixture(loop_scope="module")
async def wallets(open_wallets: WalletShop) -> AsyncIterator[WalletShop]:
    """The module's service, over an account that behaves; it does so again afterwards."""
    yield open_wallets
    await open_wallets.mode("happy")
    await open_wallets.settled()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_hasty(
    module_database: str, acquirer: httpx.AsyncClient, eyes: asyncpg.Connection
) -> AsyncIterator[WalletShop]:
    """A service that waits a fifth of a second for its account."""
    async with run_wallet(
        module_database, str(acquirer.base_url), wallet_gateway_timeout_s=0.2
    ) as http:
        yield WalletShop(http, acquirer, eyes)


@pytest_asyncio.fixture(loop_scope="module")
async def hasty(open_hasty: WalletShop) -> AsyncIterator[WalletShop]:
    """The same, over an account that behaves again afterwards."""
    yield open_hasty
    await open_hasty.mode("happy")
    await open_hasty.settled()
