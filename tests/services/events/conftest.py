"""One scene a test, on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.services.events.scene import Scene


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    """Outboxes, relay and both consumers."""
    async with Scene(database_url) as made:
        yield made
