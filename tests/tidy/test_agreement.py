"""What is written down in two places says the same in both."""

import itertools
import re
import subprocess
import tomllib

from chassis import VERSION
from fleet.run_dir import ROOT
from tests.harness import turns
from tests.tidy.files import complain, read


def test_the_version_in_every_signal_is_the_project_s():
    assert tomllib.loads(read("pyproject.toml"))["project"]["version"] == VERSION


def test_make_help_lists_every_target():
    makefile = read("Makefile")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split())
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    shown = set(re.findall(r"^\s+make ([a-z-]+)\s+\S", listed.stdout, re.MULTILINE))
    complain(sorted(targets - shown), "add `## what it does` behind the target")
    rules = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    complain(sorted(rules - targets), "a target that is no file belongs in .PHONY")


def test_the_turns_of_the_tests_name_files_that_are_there():
    named = {*turns.BUSY, *turns.WAITING, *itertools.chain.from_iterable(turns.TOGETHER)}
    complain(
        sorted(name for name in named if not (ROOT / name).exists()), "see tests/harness/turns.py"
    )


def test_every_direct_dependency_is_locked():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    locks = {
        "requirements.lock": project["dependencies"] + extras["build"],
        "requirements-dev.lock": project["dependencies"] + extras["build"] + extras["dev"],
    }
    missing = [
        f"{name}: {wanted}"
        for name, dependencies in locks.items()
        for wanted in dependencies
        if f"\n{re.match('[a-z0-9-]+', wanted).group()}==" not in read(name)
    ]
    complain(missing, "compile again with `make lock`")


def test_what_runs_is_locked_alike_for_running_and_for_developing():
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+==[^ \\]+)", read(name), re.MULTILINE))

    complain(
        sorted(pins("requirements.lock") - pins("requirements-dev.lock")),
        "the two lock files differ: compile both with `make lock`",
    )
