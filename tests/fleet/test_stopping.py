"""A shop that is stopped in the midst of everything: after the other files that use it."""

import signal
import time

import pytest

from fleet import client
from fleet.client import REQUEST_SUFFIX, ControlRequest
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive, seen


@needs_embedded
@pytest.mark.timeout(400)
def test_ctrl_c_while_a_process_is_down_and_a_profile_runs_leaves_no_process(open_shop: UpShop):
    assert open_shop.command("load", "start", "load").returncode == 0
    seen(open_shop, ("load", "status"), lambda text: "answers;" in text)
    family, killed = open_shop.family(), open_shop.named("inventory")
    assert any("loadtests.generator.process" in process.cmdline() for process in family)
    request = ControlRequest("kill", "inventory", 20.0, "test", time.time() + 5)
    client.write(open_shop.home.control / f"1{REQUEST_SUFFIX}", request)
    assert alive([killed], within_s=5) == []
    open_shop.signal(signal.SIGINT)
    assert open_shop.wait() == 0
    assert alive(family) == []
    assert not open_shop.home.control.exists()
    assert open_shop.home.running() is None
    assert "stopped" in open_shop.printed()
