"""The pipeline runs what the Makefile has, forgets no test, and takes nothing without a version."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from fleet.run_dir import ROOT
from scenarios.load_profiles import PROFILES
from tests.tidy.files import complain, ours, read

WORKFLOWS = {name: yaml.safe_load(read(name)) for name in ours(".yml") if "/workflows/" in name}
CI, NIGHTLY = ".github/workflows/ci.yml", ".github/workflows/nightly.yml"
# An exact version, or the hash of a commit.
_PINNED = re.compile(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$")


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step of every job, with where it stands."""
    for name, workflow in WORKFLOWS.items():
        for key, job in workflow["jobs"].items():
            yield from ((f"{name}: {key}", step) for step in job.get("steps", ()))


def test_a_job_calls_targets_that_there_are():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    called = [
        (where, target)
        for where, step in steps()
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))
    ]
    assert called
    complain([f"{where}: {each}" for where, each in called if each not in targets], "no target")


def test_every_folder_of_tests_is_in_one_job():
    folders = {
        f"tests/{path.name}"
        for path in (ROOT / "tests").iterdir()
        if path.name != "tidy" and next(path.rglob("test_*.py"), None)
    }
    parts = WORKFLOWS[CI]["jobs"]["tests"]["strategy"]["matrix"]["include"]
    assert Counter(each for part in parts for each in part["tests"].split()) == Counter(folders)


def test_actions_have_an_exact_version_and_artifacts_stay_a_month():
    complain(
        [f"{where}: {step['uses']}" for where, step in steps()
         if "uses" in step and not _PINNED.search(step["uses"])],
        "name a whole version",
    )  # fmt: skip
    complain(
        [where for where, step in steps() if "upload-artifact" in step.get("uses", "")
         and step["with"].get("retention-days") != 30],
        "retention-days: 30",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("profile", list(PROFILES)),
        ("service", ["all", *(path.name for path in (ROOT / "tests/services").iterdir()
                              if next(path.glob("**/test_*.py"), None))]),
    ],
)  # fmt: skip
def test_a_night_by_hand_offers_every_profile_and_service(choice: str, expected: list[str]):
    # YAML 1.1 reads the key `on` as true.
    offered = WORKFLOWS[NIGHTLY][True]["workflow_dispatch"]["inputs"][choice]["options"]
    assert sorted(offered) == sorted(expected)
