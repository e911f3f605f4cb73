"""VALERIX_DATABASE_URL that names no database is refused by every command; tests/fleet/
test_a_new_process.py starts a shop on one that is there."""

from pathlib import Path

import pytest

from tests.fleet.shop import UpShop


@pytest.mark.parametrize("arguments", [["up"], ["migrate", "version"], ["migrate", "up"]])
def test_a_given_database_that_is_not_there_is_one_line(home: Path, arguments: list[str]):
    shop = UpShop(home, VALERIX_DATABASE_URL="postgresql://a:secret@127.0.0.1:1/valerix")
    refused = shop.command(*arguments)
    assert refused.returncode == 2
    assert "no database at postgresql://127.0.0.1:1/valerix" in refused.stderr
    assert "secret" not in refused.stderr
    assert refused.stderr.count("\n") == 1
