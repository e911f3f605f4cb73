"""`valerix up` starts again after any crash, says what prevents it, and leaves no process."""

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet import migrate
from fleet.ports import free_port
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive

# Most start the whole shop: five seconds alone, far more on a busy machine. So each takes it as the
# test before it left it, and as few as can be begin with a start.
pytestmark = [needs_embedded, pytest.mark.timeout(300)]


@pytest.mark.long
def test_killed_together_with_its_postgresql_it_recovers(open_shop: UpShop):
    family, postgres = open_shop.family(), open_shop.named("-D")
    open_shop.signal(signal.SIGSTOP)  # so that it cannot clean up after the death it sees
    postgres.kill()
    open_shop.signal(signal.SIGKILL)
    open_shop.wait()
    assert alive(family, within_s=10) == []
    assert (open_shop.home.data / "postmaster.pid").exists()

    assert open_shop.open().urls


@pytest.fixture
def small_shop(prepared_home: Path) -> Iterator[UpShop]:
    """Open, with one process: how a shop ends is the same with all of them."""
    shop = UpShop(prepared_home, keys=("inventory",))
    try:
        shop.open()
        yield shop
    finally:
        shop.close()


def _hang_up(shop: UpShop) -> None:
    shop.signal(signal.SIGHUP)


def _take_down(shop: UpShop) -> None:
    ended = shop.command("down")
    assert (ended.returncode, ended.stdout.startswith("stopped")) == (0, True), ended.stderr
    assert shop.command("down").stdout.startswith("no shop runs in")


@pytest.mark.parametrize("end", [_take_down, pytest.param(_hang_up, marks=[pytest.mark.long])])
def test_a_closed_terminal_or_a_termination_leaves_no_process_and_the_data(
    small_shop: UpShop, end: Callable[[UpShop], None]
):
    family = small_shop.family()
    end(small_shop)
    assert small_shop.wait() == 0
    assert alive(family) == []

    assert small_shop.command("verify").returncode == 0, "verify starts the database by itself"
    assert small_shop.command("migrate", "version").stdout.startswith(migrate.newest())
    silent = small_shop.command("calm")
    assert silent.returncode == 1
    assert "order-service does not answer" in silent.stderr


@pytest.mark.long
def test_kill_9_leaves_no_orphan_and_the_next_start_recovers(open_shop: UpShop):
    family = open_shop.family()
    open_shop.signal(signal.SIGKILL)
    open_shop.wait()
    assert alive(family, within_s=10) == []
    assert open_shop.home.run_file.exists()  # stale ...
    assert open_shop.home.running() is None  # ... and not believed

    assert open_shop.open().urls
    assert "setting up the database" not in open_shop.printed()
    assert "moved to migration" not in open_shop.printed()
    assert "started in" in open_shop.printed()


@pytest.mark.long
def test_a_dead_postgresql_stops_the_shop_with_its_reason(open_shop: UpShop):
    family = open_shop.family()
    open_shop.named("-D").kill()
    assert open_shop.wait() == 1
    assert "PostgreSQL died (killed by SIGKILL)" in open_shop.printed()
    assert alive(family, within_s=5) == []


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


def test_a_taken_port_for_otlp_over_grpc_is_one_line(home: Path):
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        refused = UpShop(home, VALERIX_OTLP_GRPC_PORT=str(port)).command("up")
    assert refused.returncode == 2
    assert f"port {port} for dashboard is taken" in refused.stderr
    assert "set VALERIX_OTLP_GRPC_PORT to another port" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_two_processes_on_one_port_are_one_line_and_nothing_is_started(home: Path):
    port = str(free_port())
    shop = UpShop(home, VALERIX_PAYMENT_PORT=port, VALERIX_ORDER_PORT=port)
    refused = shop.command("up")
    assert refused.returncode == 2
    assert f"port {port} is meant for order-service and for payment-service" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not shop.home.data.exists()


def test_a_setting_that_cannot_be_used_is_one_line(home: Path):
    refused = UpShop(home, VALERIX_POOL_SIZE="many").command("up")
    assert refused.returncode == 2
    assert "VALERIX_POOL_SIZE" in refused.stderr
    assert refused.stderr.count("\n") == 1


def _interrupt(shop: UpShop) -> None:
    shop.signal(signal.SIGINT)


def _down(shop: UpShop) -> None:
    ended = shop.command("down")
    assert (ended.returncode, ended.stdout.startswith("stopped")) == (0, True), ended.stderr


def _kill(shop: UpShop) -> None:
    shop.signal(signal.SIGKILL)


@pytest.fixture
def new_shop(home: Path) -> Iterator[UpShop]:
    """One with one process, and nothing set up yet."""
    shop = UpShop(home, keys=("inventory",))
    yield shop
    shop.close()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param(_down, 0, marks=pytest.mark.long),
        pytest.param(_interrupt, 0, marks=pytest.mark.long),
        (_kill, -signal.SIGKILL),
    ],
)
def test_a_first_start_that_is_ended_in_its_set_up_is_done_again_by_the_next(
    new_shop: UpShop, end: Callable[[UpShop], None], code: int
):
    new_shop.begin()
    family = new_shop.until_child("initdb")
    end(new_shop)
    assert new_shop.wait() == code
    assert alive(family, within_s=10) == []
    assert not new_shop.home.data.exists()
    if end is not _kill:
        assert "stopped" in new_shop.printed()
        assert list(new_shop.home.path.glob("postgres.new-*")) == []

    # After the others nothing is left that a start could find.
    if end is _kill:
        assert new_shop.open().urls
        assert list(new_shop.home.path.glob("postgres.new-*")) == []
