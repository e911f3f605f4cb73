"""Under the same gremlins a twin's proof is broken, and ours holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.run_dir import ROOT
from twins.side_by_side import compare
from twins.twin import NAMES, find


@pytest.mark.long
async def test_the_naive_twin_breaks_and_ours_holds(
    module_database: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VALERIX_HOME", str(tmp_path))
    pair = (module_database, database_url)
    found = await compare(
        find("naive"), customers=4, seconds=20, say=lambda line: None, databases=pair
    )
    assert found.shows, found
    assert "I3" in found.theirs.broken
    assert (found.ours.counts.orders, found.ours.counts.stuck) == (4, 0)
    assert found.theirs.counts.charged_twice == found.theirs.counts.charged_without_goods == 4
    assert found.ours.counts.charged_twice == found.ours.counts.charged_without_goods == 0


# What each shows in its own figures.
BREAKS = {
    "naive": {"charged_twice", "charged_without_goods"},
    "retry-next-provider": {"charged_twice"},
    "fail-when-old": {"charged_without_goods"},
}


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_command_shows_each_twin(name: str, home: Path):
    found = subprocess.run(
        [sys.executable, "-m", "cli", "twin", name, "--json"],
        cwd=ROOT,
        env=os.environ | {"VALERIX_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert found.returncode == 0, found.stderr + found.stdout
    shown = json.loads(found.stdout)
    assert shown["mark"] == f"UNSAFE TWIN {name}"
    broken = {figure for figure, count in shown["theirs"]["counts"].items() if count}
    assert broken >= BREAKS[name]
    assert not {f for f, count in shown["ours"]["counts"].items() if count} - {"orders", "payments"}
