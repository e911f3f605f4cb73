"""A file is one concept, a function is short, and each module says what it is for."""

import ast
from pathlib import PurePath

from tests.tidy.files import complain, ours, read, tree

# A file is one concept. About 250 lines is a hint to look for a second one; this is where it ends.
FILE_LIMIT, FUNCTION_LIMIT = 500, 50
# A longer one has a reason, written here.
LONG_FILES: dict[str, str] = {
    "tests/mutants/__main__.py": "one tool: choose, place, run, report",
}
LONG_FUNCTIONS: dict[str, str] = {}
VAGUE = {
    "utils", "util", "common", "core", "shared", "lib", "libs",
    "helpers", "helper", "base", "manager", "managers", "misc",
}  # fmt: skip
PYTHON = ours(".py")


def test_a_file_is_one_concept():
    lengths = {name: len(read(name).splitlines()) for name in ours(".py", ".js", ".css", ".html")}
    complain(
        [
            f"{name}: {length} lines"
            for name, length in lengths.items()
            if length > FILE_LIMIT and name not in LONG_FILES
        ],
        f"over {FILE_LIMIT} lines: split it at the second concept, or add a reason to LONG_FILES",
    )
    complain(
        [name for name in LONG_FILES if lengths.get(name, 0) <= FILE_LIMIT],
        "no longer long: take it out of LONG_FILES",
    )


def test_functions_stay_short():
    lengths = {
        f"{name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name in PYTHON
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    complain(
        [
            f"{name}: {length} lines"
            for name, length in lengths.items()
            if length > FUNCTION_LIMIT and name not in LONG_FUNCTIONS
        ],
        f"over {FUNCTION_LIMIT} lines: name its parts, or give its reason in LONG_FUNCTIONS",
    )
    complain(
        [name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= FUNCTION_LIMIT],
        "no longer long: take it out of LONG_FUNCTIONS",
    )


def test_no_module_has_a_vague_name():
    complain(
        [name for name in PYTHON if VAGUE & {*PurePath(name).parent.parts, PurePath(name).stem}],
        "name it for what it holds: a vague name collects what belongs elsewhere",
    )


def test_a_module_opens_with_one_sentence_saying_what_it_is_for():
    complain(
        [name for name in PYTHON if not _opening(name).endswith((".", "?"))],
        'begin with """One sentence that says what the module is for.""" '
        "(more may follow after an empty line)",
    )


def _opening(name: str) -> str:
    return (ast.get_docstring(tree(name)) or "").split("\n\n")[0]


def test_no_guard_takes_a_thread():
    complain(
        [
            f"{name}:{node.lineno}: {node.name}"
            for name in PYTHON
            if not name.startswith("tests/")
            for node in ast.walk(tree(name))
            if isinstance(node, ast.FunctionDef)
            for argument in node.args.args
            if argument.annotation and "BaseRouteHandler" in ast.unparse(argument.annotation)
        ],
        "the framework hands a guard that is a plain function to a thread at every request: "
        "write `async def`",
    )
