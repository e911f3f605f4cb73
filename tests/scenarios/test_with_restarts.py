"""The acts that kill or restart a process, on a whole shop that is whole again by itself."""

import tempfile
from pathlib import Path

import pytest

from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop
from tests.scenarios.real_shop import with_restarts

# Most of it is waiting for lights; processes that die under load are in tests/faults as well.
pytestmark = [needs_embedded, pytest.mark.timeout(400), pytest.mark.long]


def test_what_was_killed_or_restarted_heals_by_itself():
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = UpShop(Path(folder) / "home")
        refused = shop.command("act", "check", "operators-slip")
        assert refused.returncode == 2
        assert refused.stderr == "Error: the shop is not running: start it with `valerix up`\n"
        try:
            shop.open()
            for act in with_restarts():
                done = shop.command("act", "check", act, "--quick")
                assert done.returncode == 0, done.stdout + done.stderr
            assert shop.poll() is None
            for process in ("PostgreSQL", "inventory-service", "event-relay"):
                assert f"{process} is back after" in shop.printed()
        finally:
            shop.close()
