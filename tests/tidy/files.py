"""The files of the project, as every house rule sees them."""

import subprocess

import pytest

from fleet.run_dir import ROOT

VENDORED = "frontend/web/static/vendor/"


def project_files() -> list[str]:
    """Every file that is or will be committed, by its path in the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files are the project's is not known")
    return [name for name in sorted(set(listed.stdout.splitlines())) if (ROOT / name).is_file()]


def ours(*suffixes: str) -> list[str]:
    """The project's own files with one of these suffixes; other people's code is not judged."""
    return [
        name
        for name in project_files()
        if name.endswith(suffixes) and not name.startswith(VENDORED)
    ]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def complain(broken: list[str], instead: str) -> None:
    """Fail with what is broken and what to do instead."""
    assert not broken, f"{instead}\n  " + "\n  ".join(broken)
