"""A running shop restarts one of its processes when it is asked to, and only then."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import client, health
from fleet.children import Supervised
from fleet.client import (
    REQUEST_SUFFIX,
    RESPONSE_SUFFIX,
    ControlClient,
    ControlRequest,
    ControlResponse,
    RequestRefused,
)
from fleet.control_server import ControlServer
from fleet.run_dir import RunDirectory
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive
from topology import find


@needs_embedded
@pytest.mark.timeout(300)
def test_a_service_that_is_killed_on_request_comes_back_and_the_shop_stays(open_shop: UpShop):
    killed, others = open_shop.named("payment"), open_shop.named("order")
    said = open_shop.command("restart", "payment", "--kill")
    assert said.returncode == 0, said.stderr
    assert "payment is back after" in said.stdout
    assert alive([killed]) == []
    assert open_shop.named("payment").pid != killed.pid
    assert others.is_running()
    assert open_shop.poll() is None
    assert "payment-service is killed for cli" in open_shop.said()
    assert health.obstacle(open_shop.home.running().urls["payment"]) is None


@needs_embedded
def test_postgresql_is_restarted_under_the_running_shop(open_shop: UpShop):
    before, home = open_shop.named("-D"), open_shop.home
    url = home.running().database_url
    said = open_shop.command("restart", "postgres", "--away", "0.2")
    assert said.returncode == 0, said.stderr
    assert open_shop.named("-D").pid != before.pid
    assert home.running().database_url == url, "those who were connected know no other address"
    verdict = open_shop.command("verify", "--wait", "20")
    assert verdict.returncode == 0, verdict.stdout
    assert open_shop.poll() is None


@needs_embedded
def test_ctrl_c_in_the_middle_of_an_errand_leaves_no_process(open_shop: UpShop):
    family, killed = open_shop.family(), open_shop.named("inventory")
    request = ControlRequest("kill", "inventory", 20.0, "test", time.time() + 5)
    client.write(open_shop.home.control / f"1{REQUEST_SUFFIX}", request)
    assert alive([killed], within_s=5) == []
    open_shop.signal(signal.SIGINT)
    assert open_shop.wait() == 0
    assert alive(family) == []
    assert not open_shop.home.control.exists()


def test_a_shop_that_is_not_running_is_one_line(home: Path):
    refused = UpShop(home).command("restart", "order")
    assert refused.returncode == 2
    assert refused.stderr == "Error: the shop is not running: start it with `valerix up`\n"


def test_postgresql_is_never_killed(home: Path):
    assert UpShop(home).command("restart", "postgres", "--kill").returncode == 2


class Sleeper(Supervised):
    """A service that does nothing, which is enough to be killed."""

    def __init__(self, home: RunDirectory) -> None:
        super().__init__("order-service", ["sleep", "60"], home.log("order"), {})
        self.process, self.url = find("order"), "http://127.0.0.1:1"


@pytest.fixture
def errands(tmp_path: Path) -> Iterator[ControlServer]:
    """Those of a shop with one process, whose PostgreSQL is somebody else's."""
    home = RunDirectory(tmp_path)
    home.prepare()
    service = Sleeper(home)
    service.start()
    errands = ControlServer(home.control, [service], None, lambda _: None)
    errands.open()
    yield errands
    errands.close()
    service.child.kill()


def ask(folder: Path, number: str, **changes: object) -> None:
    request = {"verb": "kill", "process": "order", "away_s": 60.0, "actor": "test"}
    request = {**request, "until": time.time() + 5, **changes}
    client.write(folder / f"{number}{REQUEST_SUFFIX}", ControlRequest(**request))


def answer(folder: Path, number: str) -> ControlResponse | None:
    return client.read(folder / f"{number}{RESPONSE_SUFFIX}", ControlResponse)


def test_one_at_a_time(errands: ControlServer, tmp_path: Path):
    folder = tmp_path / "control"
    ask(folder, "1")
    errands.tick()
    errands.tick()
    assert answer(folder, "1") == ControlResponse("down")
    ask(folder, "2")
    errands.tick()
    assert answer(folder, "2").state == "refused"
    assert "already" in answer(folder, "2").why


def test_what_was_asked_for_a_story_that_is_over_does_not_happen(
    errands: ControlServer, tmp_path: Path
):
    folder = tmp_path / "control"
    ask(folder, "1", until=time.time() - 1)
    (folder / f"2{REQUEST_SUFFIX}").write_text("no JSON")
    errands.tick()
    assert answer(folder, "1") is answer(folder, "2") is None
    assert list(folder.glob(f"*{REQUEST_SUFFIX}")) == []


def test_a_database_of_somebody_else_is_not_restarted(errands: ControlServer, tmp_path: Path):
    ask(tmp_path / "control", "1", verb="restart", process="postgres")
    errands.tick()
    assert "VALERIX_DATABASE_URL" in answer(tmp_path / "control", "1").why


def test_nobody_there_is_said_within_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "TAKEN_WITHIN_S", 0.1)
    with pytest.raises(RequestRefused, match="did not do it"):
        asyncio.run(ControlClient(tmp_path).ask("kill", "order", 1.0, "test"))
    assert list(tmp_path.iterdir()) == [], "nor may it happen later"
    with pytest.raises(RequestRefused, match="cannot be asked"):
        asyncio.run(ControlClient(tmp_path / "nowhere").ask("kill", "order", 1.0, "test"))
