"""A shop to start and stop, in a folder of its own."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.postgres import FAST_SETTINGS, PostgresServer, serving
from fleet.run_dir import RunDirectory
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


@pytest.fixture(scope="session")
def prepared_data() -> Iterator[Path]:
    """A data directory as its first start leaves it, which takes two seconds of a processor."""
    with tempfile.TemporaryDirectory(prefix="valerix-new-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        data = home / "data"
        with serving(PostgresServer(data, home / "log", settings=FAST_SETTINGS, say=str)):
            pass
        yield data


@pytest.fixture
def prepared_home(home: Path, prepared_data: Path) -> Path:
    """A home whose PostgreSQL has been started before."""
    return _copy_data(home, prepared_data)


def _copy_data(home: Path, data: Path) -> Path:
    home.mkdir()
    # With its owner, who is not ours when we are root.
    subprocess.run(["cp", "-a", str(data), str(RunDirectory(home).data)], check=True)
    return home


@pytest.fixture
def shop(home: Path) -> Iterator[UpShop]:
    shop = UpShop(home)
    yield shop
    shop.close()


@pytest.fixture(scope="package")
def one_shop(prepared_data: Path) -> Iterator[UpShop]:
    """One folder for them all: a shop that has been through all of it before has to open too. It
    ends with the last of them, as the browsers' does."""
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = UpShop(_copy_data(Path(folder) / "home", prepared_data))
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
