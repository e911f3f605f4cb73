"""The fork server of a running shop: what it must not have, and that the shop can do without it."""

import os
from pathlib import Path

import pytest

from fleet import child_guard, children
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive
from topology import KEYS

pytestmark = [
    needs_embedded,
    pytest.mark.skipif(not child_guard.CAN_ADOPT, reason="forks are handed over on Linux alone"),
    pytest.mark.timeout(300),
]


def test_it_has_nothing_that_a_fork_leaves_behind(open_shop: UpShop):
    server = open_shop.named("fleet.fork_server")
    assert server.num_threads() == 1
    opened = {str(path.readlink()) for path in Path(f"/proc/{server.pid}/fd").iterdir()}
    # A socket would be shared by all forks, an event loop has an eventpoll.
    assert {name.partition(":")[0] for name in opened if not name.startswith("/")} == {"pipe"}
    assert "grpc" not in Path(f"/proc/{server.pid}/maps").read_text()


def test_a_fork_looks_like_the_command_that_starts_it_and_has_its_own_output(open_shop: UpShop):
    for key in KEYS:
        process = open_shop.named(key)
        assert [each for each in process.cmdline() if each] == children.run_command(key)
        output, log = Path(f"/proc/{process.pid}/fd/1"), open_shop.home.log(key)
        assert output.samefile(log)
        assert os.getpgid(process.pid) == process.pid


def test_without_it_a_process_is_started_by_its_command(open_shop: UpShop):
    server, before = open_shop.named("fleet.fork_server"), open_shop.named("inventory")
    server.kill()
    assert alive([server], within_s=10) == []
    restarted = open_shop.command("restart", "inventory")
    assert restarted.returncode == 0, restarted.stderr
    after = open_shop.named("inventory")
    assert after.pid != before.pid
    assert after.cmdline() == children.run_command("inventory")
    assert "without the fork server" in open_shop.home.log("inventory").read_text()
    assert open_shop.poll() is None
    assert alive([before]) == []
