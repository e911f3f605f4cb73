"""The operator's slip on a whole shop: PostgreSQL restarted, a service killed, whole again."""

import tempfile
from pathlib import Path

import pytest

from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop

# Most of it is waiting for lights; processes that die under load are in tests/faults as well.
pytestmark = [needs_embedded, pytest.mark.timeout(170), pytest.mark.long]


def test_a_restarted_database_and_a_killed_service_heal_by_themselves():
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = UpShop(Path(folder) / "home")
        refused = shop.command("act", "check", "operators-slip")
        assert refused.returncode == 2
        assert refused.stderr == "Error: the shop is not running: start it with `valerix up`\n"
        try:
            shop.open()
            done = shop.command("act", "check", "operators-slip", "--quick")
            assert done.returncode == 0, done.stdout + done.stderr
            assert shop.poll() is None
            assert "PostgreSQL is back after" in shop.printed()
            assert "inventory-service is back after" in shop.printed()
        finally:
            shop.close()
