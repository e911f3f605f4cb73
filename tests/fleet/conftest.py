"""A shop to start and stop, in a folder of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import GIVEN_SERVER
from tests.fleet.shop import UpShop

# The embedded PostgreSQL is what these tests are about.
needs_embedded = pytest.mark.skipif(
    bool(GIVEN_SERVER), reason="VALERIX_DATABASE_URL is set: the embedded PostgreSQL is not used"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: the socket of PostgreSQL lies below it."""
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


@pytest.fixture
def shop(home: Path) -> Iterator[UpShop]:
    shop = UpShop(home)
    yield shop
    shop.close()
