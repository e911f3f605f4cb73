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


@pytest.fixture(scope="module")
def one_shop() -> Iterator[UpShop]:
    """One folder for the module: a shop that has been through all of it before has to open too."""
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = UpShop(Path(folder) / "home")
        try:
            yield shop
        finally:
            shop.close()


@pytest.fixture
def open_shop(one_shop: UpShop) -> UpShop:
    """It, open: left so by the test before, or opened now."""
    if one_shop.home.running() is None:
        one_shop.open()
    return one_shop
