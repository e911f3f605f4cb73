"""What a twin replaces is there, and nothing of the shop loads a twin."""

import subprocess
import sys
from uuid import UUID

import pytest

from fleet.run_dir import ROOT
from topology import PROCESSES
from twins.twin import NAMES, NotThere, Replacement, find

TWINS = [find(name) for name in NAMES]


@pytest.mark.parametrize(
    "replacement",
    [each for twin in TWINS for each in twin.replaced],
    ids=lambda each: f"{each.module}.{each.name}",
)
def test_what_a_twin_replaces_is_there_and_is_called_so(replacement: Replacement):
    replacement.check()


def one_argument(payment_id: UUID) -> None:
    """In place of something that takes two."""


@pytest.mark.parametrize(
    ("name", "message"), [("target_for", "has no target_for"), ("target_of", "is called with")]
)
def test_a_twin_does_not_start_where_it_would_replace_nothing(name: str, message: str):
    with pytest.raises(NotThere, match=message):
        Replacement("services.payment.asking", name, one_argument).apply()


def test_a_twin_that_is_unknown_is_named_with_those_there_are():
    with pytest.raises(KeyError, match="no twin is called 'safe'; there are: naive, "):
        find("safe")


def test_no_process_of_the_shop_loads_a_twin():
    apps = [f"{process.package}.app" for process in PROCESSES]
    program = f"""
import importlib, sys
for name in ("fleet.run", "fleet.up", "cli.main", *{apps}):
    importlib.import_module(name)
print([name for name in sys.modules if name.split(".")[0] == "twins"])
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
