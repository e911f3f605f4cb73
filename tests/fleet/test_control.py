"""A running shop restarts one of its processes on request, and only then."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import client, control_server, health
from fleet.children import Supervised
from fleet.client import (
    REQUEST_SUFFIX,
    RESPONSE_SUFFIX,
    RESTARTABLE,
    ControlClient,
    ControlRequest,
    ControlResponse,
    RequestRefused,
)
from fleet.control_server import ControlServer
from fleet.errors import Failed
from fleet.load_run import LoadRun
from fleet.run_dir import RunDirectory
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, alive
from topology import find


@needs_embedded
@pytest.mark.timeout(300)
def test_a_service_that_is_killed_on_request_comes_back_and_the_shop_stays(open_shop: UpShop):
    killed, others = open_shop.named("payment"), open_shop.named("order")
    restarted = open_shop.command("restart", "payment", "--kill")
    assert restarted.returncode == 0, restarted.stderr
    assert "payment is back after" in restarted.stdout
    assert alive([killed]) == []
    assert open_shop.named("payment").pid != killed.pid
    assert others.is_running()
    assert open_shop.poll() is None
    assert "payment-service is killed for cli" in open_shop.printed()
    assert health.obstacle(open_shop.home.running().urls["payment"]) is None
    back, killed_for = open_shop.command("audit").stdout.splitlines()[:2]
    assert ("killed" in killed_for, "is back" in back) == (True, True)
    assert all(word in killed_for for word in ("Process", "payment-service", "cli"))


@needs_embedded
def test_postgresql_is_restarted_under_the_running_shop(open_shop: UpShop):
    before, home = open_shop.named("-D"), open_shop.home
    url = home.running().database_url
    restarted = open_shop.command("restart", "postgres", "--away", "0.2")
    assert restarted.returncode == 0, restarted.stderr
    assert open_shop.named("-D").pid != before.pid
    assert home.running().database_url == url, "clients that were connected know no other address"
    verdict = open_shop.command("verify", "--wait", "20")
    assert verdict.returncode == 0, verdict.stdout
    assert open_shop.poll() is None


def test_a_restart_without_a_running_shop_is_refused_in_one_line(home: Path):
    refused = UpShop(home).command("restart", "order")
    assert refused.returncode == 2
    assert refused.stderr == "Error: the shop is not running: start it with `valerix up`\n"


def test_postgresql_is_never_killed(home: Path):
    assert UpShop(home).command("restart", "postgres", "--kill").returncode == 2


class Sleeper(Supervised):
    """A service that does nothing but run, so that it can be killed."""

    def __init__(self, home: RunDirectory) -> None:
        super().__init__("order-service", ["sleep", "60"], home.log("order"), {})
        self.process, self.url = find("order"), "http://127.0.0.1:1"


class Lines:
    """An audit log in memory; one that `is_away` takes no line."""

    def __init__(self) -> None:
        self.written: list[tuple[object, ...]] = []
        self.is_away = False

    def begin(self, request: ControlRequest) -> int:
        if self.is_away:
            raise RequestRefused("the audit log cannot be written")
        self.written.append((request.verb, request.process, request.actor))
        return len(self.written)

    def end(self, line: int, request: ControlRequest, action: str, detail: str) -> None:
        del request, detail
        self.written.append((action, line))


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def control(lines: Lines, tmp_path: Path) -> Iterator[ControlServer]:
    """That of a shop with one process and a given database."""
    home = RunDirectory(tmp_path)
    home.prepare()
    service = Sleeper(home)
    service.start()
    load = LoadRun(home, lambda _: None)
    server = ControlServer(home.control, [service], None, lambda _: None, load, lines)
    server.open()
    yield server
    server.close()
    service.child.kill()


def send(folder: Path, number: str, **changes: object) -> None:
    request = {"verb": "kill", "process": "order", "away_s": 60.0, "actor": "test"}
    request = {**request, "until": time.time() + 5, **changes}
    client.write(folder / f"{number}{REQUEST_SUFFIX}", ControlRequest(**request))


def response(folder: Path, number: str) -> ControlResponse | None:
    return client.read(folder / f"{number}{RESPONSE_SUFFIX}", ControlResponse)


def test_a_second_request_meanwhile_is_refused(control: ControlServer, tmp_path: Path):
    folder = tmp_path / "control"
    send(folder, "1")
    control.tick()
    control.tick()
    assert response(folder, "1") == ControlResponse("down")
    send(folder, "2")
    control.tick()
    assert response(folder, "2").state == "refused"
    assert "already" in response(folder, "2").why


def _tick_until_it_fails(control: ControlServer) -> None:
    while True:
        control.tick()
        time.sleep(0.02)


def test_one_that_does_not_come_back_is_lost_on_record(
    control: ControlServer, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control_server, "_READY_S", -1.0)
    send(tmp_path / "control", "1", away_s=0.0)
    with pytest.raises(Failed, match="order-service did not come back"):
        _tick_until_it_fails(control)
    assert lines.written == [("kill", "order", "test"), ("lost", 1)]


def test_what_cannot_be_written_down_is_not_done(
    control: ControlServer, lines: Lines, tmp_path: Path
):
    lines.is_away = True
    send(tmp_path / "control", "1")
    control.tick()
    refused = response(tmp_path / "control", "1")
    assert (refused.state, "nothing was stopped" in refused.why) == ("refused", True)
    assert lines.written == []
    lines.is_away = False
    send(tmp_path / "control", "2")
    control.tick()
    assert response(tmp_path / "control", "2") == ControlResponse("taken")


def test_a_process_that_cannot_be_restarted_is_refused_with_those_that_can(
    control: ControlServer, tmp_path: Path
):
    send(tmp_path / "control", "1", process="dashboard")
    control.tick()
    refused = response(tmp_path / "control", "1")
    assert refused.state == "refused"
    assert refused.why == f"dashboard is not one of: {', '.join(RESTARTABLE)}"


def test_a_late_or_broken_request_is_ignored(control: ControlServer, tmp_path: Path):
    folder = tmp_path / "control"
    send(folder, "1", until=time.time() - 1)
    (folder / f"2{REQUEST_SUFFIX}").write_text("no JSON")
    control.tick()
    assert response(folder, "1") is response(folder, "2") is None
    assert list(folder.glob(f"*{REQUEST_SUFFIX}")) == []


def test_a_given_database_is_not_restarted(control: ControlServer, tmp_path: Path):
    send(tmp_path / "control", "1", verb="restart", process="postgres")
    control.tick()
    assert "VALERIX_DATABASE_URL" in response(tmp_path / "control", "1").why


def test_a_request_that_nobody_takes_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "TAKEN_WITHIN_S", 0.1)
    with pytest.raises(RequestRefused, match="did not do it"):
        asyncio.run(ControlClient(tmp_path).take_down("kill", "order", 1.0, "test"))
    assert list(tmp_path.iterdir()) == [], "it may not happen later either"
    with pytest.raises(RequestRefused, match="cannot be asked"):
        asyncio.run(ControlClient(tmp_path / "nowhere").take_down("kill", "order", 1.0, "test"))
