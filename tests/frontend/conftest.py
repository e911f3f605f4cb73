"""One dashboard per module: a module may set DASHBOARD to its settings, as in {"notice": "…"}."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.frontend.dashboards import CALMED, Wire, dashboard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_dashboard(
    request: pytest.FixtureRequest, module_database: str
) -> AsyncIterator[tuple[aiohttp.ClientSession, Wire]]:
    """The module's dashboard: the browser at it and the wire behind it."""
    given = getattr(request.module, "DASHBOARD", {})
    async with dashboard(module_database, **given) as opened:
        yield opened


@pytest.fixture
def wire(open_dashboard: tuple[aiohttp.ClientSession, Wire]) -> Wire:
    """The wire behind the module's dashboard, asked nothing yet."""
    _, wire = open_dashboard
    wire.begin(CALMED)
    return wire


@pytest.fixture
def browser(
    open_dashboard: tuple[aiohttp.ClientSession, Wire], wire: Wire
) -> aiohttp.ClientSession:
    """A browser that was never at the module's dashboard."""
    browser, _ = open_dashboard
    browser.cookie_jar.clear()
    return browser
