"""A real shop to play acts on, guarded by an operator token, and the ways to play them."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from chassis.settings import Settings
from fleet.run_dir import ROOT
from fleet.settings import load
from scenarios import cli
from scenarios.loader import FOLDER, Scenario, names
from scenarios.timing import QUICK
from tests.harness.running import RunningFleet
from topology import NAMES, SERVICES

TOKEN = "an operator token of some length"
# An act looks by itself, without a dashboard.
FLEET = {"environ": {"VALERIX_OPERATOR_TOKEN": TOKEN}, "keys": tuple(NAMES)}
ENDLESS = """\
title: T
teaches: x
steps:
  - title: a
    say: b
    do:
      - gremlin: {service: payment, kind: error, ttl: 5min}
      - load: {product: PROD-001, rate: 5, for: 5min}
      - wait: {until: {orders: {confirmed: "> 1000"}}, limit: LIMIT}
"""


def settings(fleet: RunningFleet, **changes: object) -> Settings:
    known = {"database_url": fleet.database_url, "operator_token": TOKEN}
    urls = {f"{process.key}_url": fleet.url(process.key) for process in SERVICES}
    return load("dashboard", {}, **{**known, **urls, **changes})


def with_restarts() -> list[str]:
    """The acts that kill or restart a process, which only a whole `valerix up` does."""
    restarts = re.compile(r"^ +- (kill|restart):", re.MULTILINE)
    return [name for name in names() if restarts.search((FOLDER / f"{name}.yaml").read_text())]


def check(fleet: RunningFleet, scenario: Scenario, **changes: object) -> tuple[int, str]:
    """The exit code, and all lines of output."""
    lines: list[str] = []
    code = cli.check(settings(fleet, **changes), [scenario], QUICK, lines.append, lines.append)
    return code, "\n".join(lines)


def loose(fleet: RunningFleet) -> list[str]:
    return [
        f"{process.key}/{each['name']}"
        for process in SERVICES
        for each in fleet.ask("GET", process.key, "/gremlins")[1]["gremlins"]
    ]


def environ(fleet: RunningFleet, home: Path) -> dict[str, str]:
    urls = {process.url_variable: fleet.url(process.key) for process in SERVICES}
    return {
        **os.environ, **urls, "VALERIX_OPERATOR_TOKEN": TOKEN,
        "VALERIX_HOME": str(home), "VALERIX_DATABASE_URL": fleet.database_url,
    }  # fmt: skip


def command(fleet: RunningFleet, *arguments: str, home: Path = Path("none")) -> tuple[int, str]:
    done = subprocess.run(
        fleet.valerix("act", *arguments), env=environ(fleet, home), cwd=ROOT, text=True, timeout=60,
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def begin(
    fleet: RunningFleet, folder: Path, *arguments: str, **more: object
) -> Iterator[subprocess.Popen[str]]:
    """A `valerix act` that waits for what never comes, with its gremlin loose."""
    act = folder / "endless.yml"
    act.write_text(ENDLESS.replace("LIMIT", "2min"))
    with subprocess.Popen(
        fleet.valerix("act", *arguments, str(act)), env=environ(fleet, folder), cwd=ROOT, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **more},
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.kill()


def until_loose(fleet: RunningFleet, running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 30
    while loose(fleet) != ["payment/error"]:
        assert running.poll() is None, running.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.05)
