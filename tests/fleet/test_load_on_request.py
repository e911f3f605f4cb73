"""A running shop brings traffic and runs a load profile on request."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from fleet import load_run
from fleet.client import LOAD_STATE, ControlClient, LoadRequest, LoadState, RequestRefused
from fleet.load_run import LoadRun
from fleet.run_dir import RunDirectory
from scenarios import load_profiles
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop, seen


@needs_embedded
@pytest.mark.timeout(400)
def test_steady_traffic_orders_pays_and_spends_until_it_is_stopped(open_shop: UpShop):
    started = open_shop.command(
        "traffic", "start", "--rate", "10", "--mix", "orders=1,payments=1,wallets=1"
    )
    assert started.returncode == 0, started.stderr
    again = open_shop.command("traffic", "start")
    assert (again.returncode, "is on already" in again.stderr) == (1, True)
    answers = ("confirmed", "orders", "payments", "wallets")
    printed = seen(open_shop, ("traffic", "status"), lambda text: all(a in text for a in answers))
    assert all(answer in printed for answer in answers), printed
    entered = ("trace", "list", "--service", "gateway", "--name", "POST /orders")
    assert "POST /orders" in seen(open_shop, entered, lambda text: "POST /orders" in text)
    assert open_shop.command("traffic", "stop").stdout.startswith("off")
    refused = open_shop.command("traffic", "stop")
    assert (refused.returncode, "is off already" in refused.stderr) == (1, True)


@needs_embedded
@pytest.mark.timeout(400)
def test_a_profile_runs_alone_is_stopped_and_leaves_a_report(open_shop: UpShop):
    assert open_shop.command("load", "start", "smoke").returncode == 0
    second = open_shop.command("load", "start", "smoke")
    assert (second.returncode, "one at a time" in second.stderr) == (1, True)
    printed = seen(open_shop, ("load", "status"), lambda text: "answers;" in text)
    assert "smoke is running, started by cli" in printed
    assert open_shop.command("load", "stop").returncode == 0
    printed = seen(open_shop, ("load", "reports"), lambda text: "-smoke" in text)
    assert "-smoke" in printed, open_shop.home.log("load").read_text()
    printed = seen(open_shop, ("load", "status"), lambda text: "no load profile" in text)
    assert "no load profile is running" in printed
    assert open_shop.command("load", "stop").returncode == 1


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadRun:
    """That of a shop whose profile is a process that only sleeps."""
    home = RunDirectory(tmp_path)
    home.prepare()
    home.control.mkdir()
    monkeypatch.setattr(load_run, "python_command", lambda *_: ["sleep", "60"])
    run = LoadRun(home, lambda _: None)
    yield run
    run.kill()


def ask(verb: str, **more: object) -> LoadRequest:
    return LoadRequest(verb, "test", time.time() + 5, **more)


def state_in(folder: Path) -> LoadState:
    return LoadState(**json.loads((folder / "control" / LOAD_STATE).read_text()))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ask("start", profile="nope"), "no profile is called 'nope'"),
        (ask("start", profile="smoke", scale=1000), "the scale must be"),
        (ask("start", profile="smoke", rate=-1), "the rate must be"),
        (ask("stop"), "no load profile is running"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_reason(
    run: LoadRun, request_: LoadRequest, why: str
):
    assert why in run.take(request_)


def test_without_the_generator_it_says_how_to_install_it(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load_profiles, "find_spec", lambda _: None)
    assert "make load-tools" in run.take(ask("start", profile="smoke"))


def test_one_that_ends_without_a_report_says_why(run: LoadRun, tmp_path: Path, monkeypatch):
    line = "Error: no shop is ready"
    monkeypatch.setattr(load_run, "python_command", lambda *_: ["sh", "-c", f"echo {line}; exit 2"])
    assert run.take(ask("start", profile="smoke")) == ""
    assert run.take(ask("start", profile="smoke")) == "smoke is running already: one at a time"
    while state_in(tmp_path).state != "ended":
        run.tick()
    found = state_in(tmp_path)
    assert (found.exit_code, found.why) == (2, line)
    assert run.take(ask("stop")) == "no load profile is running"


def test_a_shop_that_does_not_answer_is_not_waited_for(tmp_path: Path):
    with pytest.raises(RequestRefused, match="cannot be asked"):
        asyncio.run(ControlClient(tmp_path / "nowhere").ask_load(ask("stop")))
