"""`valerix up` comes up again after anything, says what hinders it, and leaves nothing behind."""

import signal
import socket
from pathlib import Path

import pytest

from fleet import migrate
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive

# Each starts the whole shop, some of them twice: ten seconds alone, far more on a busy machine.
pytestmark = [needs_embedded, pytest.mark.timeout(300)]


def test_ctrl_c_leaves_no_process_and_a_second_start_keeps_the_data(shop: UpShop):
    shop.open()
    family = shop.family()
    shop.signal(signal.SIGINT)
    assert shop.wait() == 0
    assert alive(family) == []
    assert shop.home.running() is None
    assert "setting up the database" in shop.said()
    assert "stopped" in shop.said()

    shop.open()
    assert "setting up the database" not in shop.said()
    assert "moved to migration" not in shop.said()
    assert "started in" in shop.said()
    family = shop.family()
    shop.signal(signal.SIGHUP)  # what a closing terminal sends
    assert shop.wait() == 0
    assert alive(family) == []

    assert shop.command("verify").returncode == 0, "verify starts the database by itself"
    assert shop.command("migrate", "version").stdout.startswith(migrate.newest())
    silent = shop.command("calm")
    assert silent.returncode == 1
    assert "order-service does not answer" in silent.stderr


def test_a_dead_child_stops_the_shop_with_its_reason(shop: UpShop):
    shop.open()
    family = shop.family()
    shop.named("payment").kill()
    assert shop.wait() == 1
    assert "payment-service died (killed by SIGKILL)" in shop.said()
    assert str(shop.home.log("payment")) in shop.said()
    assert alive(family) == []


def test_a_dead_postgresql_stops_the_shop_with_its_reason(shop: UpShop):
    shop.open()
    family = shop.family()
    shop.named("-D").kill()
    assert shop.wait() == 1
    assert "PostgreSQL died (killed by SIGKILL)" in shop.said()
    assert alive(family, within_s=5) == []


def test_kill_9_leaves_no_orphan_and_the_next_start_recovers(shop: UpShop):
    shop.open()
    family = shop.family()
    shop.signal(signal.SIGKILL)
    shop.wait()
    assert alive(family, within_s=10) == []
    assert shop.home.note.exists()  # the note is stale ...
    assert shop.home.running() is None  # ... and not believed

    assert shop.open().urls


def test_killed_together_with_its_postgresql_it_recovers(shop: UpShop):
    shop.open()
    family, postgres = shop.family(), shop.named("-D")
    shop.signal(signal.SIGSTOP)  # so that it cannot clean up after the death it sees
    postgres.kill()
    shop.signal(signal.SIGKILL)
    shop.wait()
    assert alive(family, within_s=10) == []
    assert (shop.home.data / "postmaster.pid").exists()

    assert shop.open().urls


def test_a_taken_port_is_one_line_and_nothing_is_started(shop: UpShop):
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", shop.ports["payment"]))
        squatter.listen()
        refused = shop.command("up")
    assert refused.returncode == 2
    assert f"port {shop.ports['payment']} for payment-service is taken" in refused.stderr
    assert "VALERIX_PAYMENT_PORT" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not shop.home.data.exists()


def test_a_setting_that_cannot_be_used_is_one_line(home: Path):
    refused = UpShop(home, VALERIX_POOL_SIZE="many").command("up")
    assert refused.returncode == 2
    assert "VALERIX_POOL_SIZE" in refused.stderr
    assert refused.stderr.count("\n") == 1
