"""One shop per module: a module may set SHOP to a service's settings, as in {"payment": {...}}."""

import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from chassis.telemetry.log_lines import JsonFormatter
from tests.journeys.shop import Shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_shop(request: pytest.FixtureRequest, module_database: str) -> AsyncIterator[Shop]:
    """The module's shop."""
    shop = Shop(module_database, getattr(request.module, "SHOP", {}))
    try:
        await shop.open()
        yield shop
    finally:
        await shop.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shop(open_shop: Shop) -> AsyncIterator[Shop]:
    """The module's shop, calm, with goods on the shelf; calm again afterwards."""
    await open_shop.refill()
    yield open_shop
    await open_shop.calm()


class _Lines(logging.Handler):
    """Formats each line where it is written, as production does: there its trace is known."""

    def __init__(self) -> None:
        super().__init__()
        self._format = JsonFormatter("test").format
        self.lines: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.lines.append(json.loads(self._format(record)))


@pytest.fixture
def request_lines() -> Iterator[list[dict[str, object]]]:
    """The log lines of requests, of every service in this process."""
    handler, logger = _Lines(), logging.getLogger("request")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)
