"""`valerix twin`: what there is, and what cannot be had."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from cli.main import main
from fleet.run_dir import ROOT
from twins.twin import NAMES


def test_without_a_name_it_prints_which_twins_there_are():
    result = CliRunner().invoke(main, ["twin"])
    assert result.exit_code == 0
    assert tuple(line.split()[0] for line in result.stdout.splitlines()) == NAMES


def test_an_unknown_name_is_one_line_and_exit_code_2():
    result = CliRunner().invoke(main, ["twin", "safe"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: no twin is called 'safe'; there are: naive, ")


def test_where_the_room_is_left_out_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "twins", None)
    # As if no test had loaded them before.
    monkeypatch.delitem(sys.modules, "cli.twins", raising=False)
    monkeypatch.delattr(cli, "twins", raising=False)
    result = CliRunner().invoke(main, ["twin"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: there are no unsafe twins here: run them from a checkout\n"


@pytest.mark.long
def test_one_that_stays_says_where_it_is_and_ends_with_ctrl_c(home: Path):
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "twin", "naive", "--stay"],
        cwd=ROOT,
        env=os.environ | {"VALERIX_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        result = ""
        while "stop: Ctrl-C" not in result:
            line = command.stdout.readline()
            assert line, result
            result += line
        command.send_signal(signal.SIGINT)
        command.stdout.read()
    assert command.returncode == 0
    assert "dashboard    http://127.0.0.1:" in result
    assert "UNSAFE TWIN naive" in result
