"""`valerix logs` and `valerix reset` on the folder of a shop that has stopped."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from fleet.run_dir import RunDirectory


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A folder with a database, a log of each process, and a stored chain head."""
    monkeypatch.setenv("VALERIX_HOME", str(tmp_path))
    home = RunDirectory(tmp_path)
    home.prepare()
    for folder in (home.data, home.telemetry):
        folder.mkdir()
    home.chain_head.write_text("head")
    home.log("order").write_text("first\nsecond\n")
    home.log("payment").write_text("third\n")
    return home


def _run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=answer)


def test_reset_asks_and_then_forgets_all_but_the_logs(home: RunDirectory):
    assert _run("reset", answer="n\n").exit_code == 1
    assert home.data.exists()
    assert _run("reset", answer="y\n").exit_code == 0
    assert not any(each.exists() for each in (home.data, home.telemetry, home.chain_head))
    assert home.log("order").exists()
    assert "there is no data" in _run("reset", "--yes").output


def test_logs_are_the_newest_lines_of_the_processes_named(home: RunDirectory):
    def shown(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "cli", "logs", *arguments],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip

    assert shown("-n", "1", "order") == "second\n"
    assert {"second", "third"} <= set(shown().splitlines())
    assert "there are no such logs" in _run("logs", "postgres").output
