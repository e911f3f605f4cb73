"""A small shop says which twin it is, is on loopback alone, and does not outlive who started it."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fleet import health
from fleet.errors import CannotRun
from fleet.run_dir import ROOT
from twins.small_shop import start

# One process is enough to see how all of them live.
KEYS = ["inventory"]
# A busy machine takes its time to end what it was told to.
_PATIENCE_S = 60


async def test_a_twin_says_so_in_its_health_and_on_every_line_and_ends_with_its_block(
    database_url: str, tmp_path: Path
):
    async with start("naive", keys=KEYS, database_url=database_url, home=tmp_path) as shop:
        url = shop.urls["inventory"]
        for path in ("/health", "/health/ready"):
            assert health.ask("GET", url + path)[1]["twin"] == "naive"
        health.ask("GET", f"{url}/nothing-here")
        assert shop.supervisor.child is not None
        family = psutil.Process(shop.supervisor.child.pid).children(recursive=True)
        lines = shop.home.log("inventory").read_text().splitlines()
    assert lines
    assert {json.loads(line)["twin"] for line in lines} == {"naive"}
    assert shop.supervisor.ended() == 0
    assert family
    assert not [each for each in family if each.is_running()]


STARTED = """
import asyncio, sys
from pathlib import Path
from twins.small_shop import start

async def main(home, url):
    async with start("naive", keys=["inventory"], database_url=url, home=Path(home)) as shop:
        print(shop.supervisor.child.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


def test_nothing_is_left_of_it_when_whoever_started_it_is_killed(database_url: str, tmp_path: Path):
    command = [sys.executable, "-c", STARTED, str(tmp_path), database_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        supervisor = psutil.Process(int(starter.stdout.readline()))
        family = [supervisor, *supervisor.children(recursive=True)]
        starter.kill()
    assert len(family) > 1
    _, left = psutil.wait_procs(family, timeout=_PATIENCE_S)
    assert left == []


async def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path):
    before = set(psutil.Process().children(recursive=True))
    nowhere = "postgresql://valerix@127.0.0.1:1/valerix"
    with pytest.raises(CannotRun, match=r"the twin naive did not start:\n.*no database at"):
        async with start("naive", keys=KEYS, database_url=nowhere, home=tmp_path):
            raise AssertionError("it cannot have started")
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    "variable", ["VALERIX_HOST", "VALERIX_INVENTORY_HOST", "VALERIX_PUBLISHED_ON"]
)
async def test_off_loopback_a_twin_is_refused(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, "0.0.0.0")  # noqa: S104 - nothing is bound
    with pytest.raises(CannotRun, match="runs on loopback only, and inventory is set to") as error:
        async with start("naive", keys=KEYS, home=tmp_path / "twin"):
            raise AssertionError("it cannot have started")
    assert error.value.exit_code == 2
    assert not (tmp_path / "twin").exists()
