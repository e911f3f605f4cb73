"""VALERIX_DATABASE_URL takes the place of the embedded PostgreSQL in every command."""

import signal
from pathlib import Path

import pytest

from fleet import migrate
from tests.fleet.shop import UpShop, alive

pytestmark = pytest.mark.timeout(300)


def test_a_given_database_is_used_and_nothing_embedded_is_started(
    home: Path, empty_database_url: str
):
    shop = UpShop(home, VALERIX_DATABASE_URL=empty_database_url)
    try:
        running = shop.open()
        assert running.database_url == empty_database_url
        assert not any("-D" in process.cmdline() for process in shop.family())
        assert not shop.home.data.exists()
        assert migrate.current(empty_database_url) == migrate.newest()
        family = shop.family()
        shop.signal(signal.SIGTERM)
        assert shop.wait() == 0
        assert alive(family) == []
    finally:
        shop.close()


@pytest.mark.parametrize("arguments", [["up"], ["migrate", "version"], ["migrate", "up"]])
def test_a_given_database_that_is_not_there_is_one_line(home: Path, arguments: list[str]):
    shop = UpShop(home, VALERIX_DATABASE_URL="postgresql://a:secret@127.0.0.1:1/valerix")
    refused = shop.command(*arguments)
    assert refused.returncode == 2
    assert "no database at postgresql://127.0.0.1:1/valerix" in refused.stderr
    assert "secret" not in refused.stderr
    assert refused.stderr.count("\n") == 1
