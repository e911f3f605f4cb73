"""The topology is the only list of processes; every other place derives it or is rendered."""

import ast
from collections.abc import Iterator

from frontend.service_colours import FILE, render
from tests.tidy.files import complain, ours, tree
from topology import PROCESSES

NAMES = {name: process for process in PROCESSES for name in (process.key, process.name)}
# The list itself, migrations (which never change afterwards), and tests, which may expect a list.
EXEMPT = ("topology/", "infra/migrations/", "tests/")
# Places that name some processes for a reason of their own, and the reason.
ALLOWED: dict[str, str] = {
    "proof/guards.py": "schemas, two of which are called as processes are",
}


def lists(name: str) -> Iterator[tuple[int, str]]:
    """Collections that spell two processes or more, with their lines; `Literal` holds a tuple."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Dict):
            spelled = [_processes(node.keys), _processes(node.values)]
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            spelled = [_processes(node.elts)]
        else:
            continue
        most = max(spelled, key=len)
        if len(most) > 1:
            yield node.lineno, ", ".join(most)


def _processes(nodes: list[ast.expr] | list[ast.expr | None]) -> dict[str, None]:
    """The keys of the processes that these expressions name, in their order."""
    return {
        NAMES[node.value].key: None
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
    }


def test_no_other_place_lists_the_processes():
    complain(
        [
            f"{name}:{line}: {spelled}"
            for name in ours(".py")
            if not name.startswith(EXEMPT) and name not in ALLOWED
            for line, spelled in lists(name)
        ],
        "derive it from topology, or add the file and its reason to ALLOWED",
    )


def test_the_style_sheet_of_the_services_is_current():
    assert FILE.read_text(encoding="utf-8") == render(), "run `make render`"
