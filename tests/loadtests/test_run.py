"""Runs against the real shop, as `make load` starts them: verdict, report, nothing left over."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from fleet.run_dir import ROOT
from proof.clients import log as client_log
from tests.harness.running import RunningFleet
from topology import NAMES

TOKEN = "a-token-of-sixteen"
FLEET_KEYS = tuple(NAMES)
# Where nobody is, so that it counts as published, and lets in nobody without a token.
FLEET_ENVIRON = {
    "VALERIX_OPERATOR_TOKEN": TOKEN,
    "VALERIX_SERVICE_TOKEN": "the-credential-of-this-shop",
    "VALERIX_PUBLISHED_ON": "192.0.2.1",
    "VALERIX_OTLP_ENDPOINT": "",
}
# Two cores may be busy with other tests: how long it took is not what is tested here.
PATIENT = ("--p95", "20000", "--p99", "30000", "--settle", "30", "--alone")


class LoadRun:
    """`make load`'s command against one fleet, with a folder of its own."""

    def __init__(self, fleet: RunningFleet, home: Path) -> None:
        self._fleet, self.home, self.report = fleet, home, home / "report"

    def command(self, *arguments: str) -> list[str]:
        urls = [f"--{key}-url={self._fleet.url(key)}" for key in (*FLEET_KEYS, "dashboard")]
        here = ["-m", "loadtests", "run", f"--report={self.report}"]
        return [sys.executable, *here, *urls, *arguments]

    def environ(self, **more: str) -> dict[str, str]:
        ours = {"VALERIX_HOME": str(self.home), "VALERIX_OPERATOR_TOKEN": TOKEN}
        return {**os.environ, **ours, "VALERIX_DATABASE_URL": self._fleet.database_url, **more}

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Exit code and everything it output."""
        done = subprocess.run(
            self.command(*arguments), env=self.environ(**more), cwd=ROOT, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def document(self) -> Any:
        return json.loads((self.report / "report.json").read_text())


@pytest.fixture
def load(fleet: RunningFleet, tmp_path: Path) -> Iterator[LoadRun]:
    yield LoadRun(fleet, tmp_path)
    left = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info["cmdline"])]
    assert not left, "a process of the generator outlived its run"


@contextmanager
def gremlin(fleet: RunningFleet, key: str, body: dict[str, object]) -> Iterator[None]:
    """One gremlin for the duration."""
    _operate(fleet, "PUT", key, json.dumps(body).encode())
    yield
    _operate(fleet, "DELETE", key)


def _operate(fleet: RunningFleet, method: str, key: str, body: bytes | None = None) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    url = f"{fleet.url(key)}/gremlins/test-gremlin"
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


@pytest.mark.long  # as in tests/fleet/test_load_on_request.py
def test_a_smoke_run_holds_and_leaves_a_report(load: LoadRun):
    code, output = load.run("--profile=smoke", "--scale=0.1", "--seed=3", *PATIENT)
    assert code == 0, output
    found = load.document()
    assert (found["answer"], found["exit_code"], found["seed"]) == ("kept", 0, 3)
    assert found["orders"]["confirmed"] > 0
    assert found["requests"]["failed"] == 0
    assert found["proof"]["state"] == "holds"
    assert found["clients"]["orders"] == sum(found["orders"].values())
    assert found["generator"]["peak_rss_mb"] > 10
    assert not any(name.count("-") > 2 for name in found["by_name"]), "an id in a request's name"
    assert (load.report / "report.html").exists()
    assert (load.report / "junit.xml").exists()
    assert str(load.report / "report.html") in output
    assert "It held" in output


@pytest.mark.long
def test_a_gremlin_during_a_run_is_in_the_report_and_costs_no_order(
    load: LoadRun, fleet: RunningFleet
):
    """Half of the payments' answers are lost: orders are accepted, and all of them settle."""
    lossy = {"kind": "lost_response", "probability": 0.7, "routes": ["POST /payments"]}
    with gremlin(fleet, "payment", {**lossy, "ttl_s": 60}):
        child = subprocess.Popen(
            load.command("--profile=load", "--scale=0.015", "--workers=2", *PATIENT),
            env=load.environ(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        _wait_for(lambda: (load.report / "client_log.jsonl").exists())
        time.sleep(5)
    output, _ = child.communicate(timeout=90)
    assert child.returncode == 0, output
    found = load.document()
    assert found["workers"] == 2
    assert found["orders"]["degraded"] > 0
    assert found["degraded_percent"] > 0
    assert found["latency"]["degraded"]["count"] > 0
    assert found["settled"]["count"] > 0
    assert found["clients"]["open"] == 0
    # What each worker wrote down came to the master: every order of both is in the one log.
    keys = [w.key for batch in client_log.read(load.report / "client_log.jsonl") for w in batch]
    assert len(keys) == len(set(keys)) == sum(found["orders"].values())
    assert {key.split("-")[2] for key in keys} == {"0", "1"}
    (window,) = [w for w in found["gremlins"] if w["name"] == "test-gremlin"]
    assert window["kind"] == "lost_response"
    assert "test-gremlin on payment" in (load.report / "report.html").read_text()


@pytest.mark.long
def test_an_open_loop_offers_its_rate_whatever_the_answers(load: LoadRun, fleet: RunningFleet):
    """A shop that takes a second for everything is asked as often as one that is quick."""
    with gremlin(fleet, "order", {"kind": "latency", "delay_ms": 1000, "ttl_s": 60}):
        code, output = load.run("--profile=smoke", "--scale=0.1", "--rate=30", *PATIENT)
    assert code == 0, output
    found = load.document()
    assert found["loop"] == "open"
    assert found["due"] == pytest.approx(90, abs=15)
    assert found["not_begun"] == 0
    assert found["latency"]["all"]["p50_ms"] > 1000


@pytest.mark.long
def test_ctrl_c_leaves_a_partial_report_and_no_verdict(load: LoadRun):
    child = subprocess.Popen(
        load.command("--profile=load", *PATIENT), env=load.environ(), cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    _wait_for(lambda: (load.report / "client_log.jsonl").exists())
    time.sleep(2.5)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 2, output
    found = load.document()
    assert found["complete"] is False
    assert "stopped by hand" in found["headline"]
    assert found["clients"]["contradictions"] == 0
    assert "Stopped early" in (load.report / "report.html").read_text()


@pytest.mark.long
def test_without_the_database_the_rest_is_judged_and_the_verdict_open(load: LoadRun):
    away = {"VALERIX_DATABASE_URL": "postgresql://valerix@127.0.0.1:1/valerix"}
    code, output = load.run("--profile=smoke", "--scale=0.05", *PATIENT, "--settle=0", **away)
    assert code == 2, output
    found = load.document()
    assert found["proof"] is None
    answers = {part["name"]: part["answer"] for part in found["parts"]}
    assert answers["proof"] == answers["clients' log"] == "unknown"
    assert answers["errors"] == "kept"


def test_a_wrong_operator_token_is_one_line_and_nothing_begins(load: LoadRun):
    code, output = load.run("--profile=stress", VALERIX_OPERATOR_TOKEN="another-token-of-16")
    assert code == 2
    assert len(output.strip().splitlines()) == 1
    assert "operator token" in output
    assert not load.report.exists()


def _wait_for(there: Any) -> None:
    end = time.monotonic() + 30
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)
