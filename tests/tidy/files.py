"""The files of the project, for every rule of the house."""

import ast
import gc
import subprocess
from functools import cache

import pytest

from fleet.run_dir import ROOT

# What others wrote, and what `make gen` writes.
NOT_OURS = ("frontend/web/static/vendor/", "valerix/", "protos/third_party/")


@cache
def project_files() -> tuple[str, ...]:
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
    names = sorted(set(listed.stdout.splitlines()))
    return tuple(name for name in names if (ROOT / name).is_file())


def ours(*suffixes: str) -> list[str]:
    """The project's own files with one of these suffixes, without what is vendored or
    generated."""
    return [
        name
        for name in project_files()
        if name.endswith(suffixes) and not name.startswith(NOT_OURS)
    ]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a Python file, parsed once for all rules."""
    # A tree is many small objects that stay: collecting garbage meanwhile takes half of the time.
    gc.disable()
    try:
        return ast.parse(read(name))
    finally:
        gc.enable()


def complain(broken: list[str], instead: str) -> None:
    """Fail with what is broken and what to do instead."""
    assert not broken, f"{instead}\n  " + "\n  ".join(broken)
