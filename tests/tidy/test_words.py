"""Identifiers use standard terms: some words are in none of them."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.tidy.files import complain, ours, tree

# What to write instead, for whoever meets one of them.
_TERMS = {
    "told": "sent, given, response",
    "tell": "send, report",
    "teller": "reporter",
    "telling": "console_log, report",
    "said": "response, row, message",
    "says": "label, message",
    "hands": "executor, actions",
    "sight": "observer",
    "company": "standalone",
    "errand": "operation, control request",
    "errands": "operations, control requests",
    "lookout": "waiter",
    "tempo": "timing",
    "book": "record, table, store",
    "books": "records, tables, ledger",
    "paint": "render",
    "painted": "rendered, cached",
    "draw": "present, render",
    "drawn": "presented, rendered",
    "words": "labels",
    "facts": "queries, values",
    "sense": "validation",
    "nonsense": "invalid",
    "doorman": "sessions",
    "playing": "current, running",
    "stage": "live demo, presentation mode, scenario runner",
    "hearsay": "unverified",
}
# A file and an identifier of it that keeps a banned word, and the reason.
ALLOWED = {"tests/tidy/test_words.py:tests.tidy.test_words": "the rule about words"}
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def identifiers(name: str) -> Iterator[tuple[int, str]]:
    """Every name that a file defines, with its line: module, classes, functions, parameters,
    attributes and variables."""
    yield 1, name.removesuffix(".py").replace("/", ".")
    for node in ast.walk(tree(name)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str()):
                yield node.lineno, node.asname
            case (
                ast.ExceptHandler(name=str()) | ast.MatchAs(name=str()) | ast.MatchStar(name=str())
            ):
                yield node.lineno, node.name


def banned(identifier: str) -> list[str]:
    """The banned words in an identifier, snake_case or CamelCase. `says` counts only alone: a
    test's name is a sentence."""
    parts = [part.lower() for part in _PARTS.findall(identifier)]
    return [part for part in parts if part in _TERMS and (part != "says" or parts == ["says"])]


def test_a_banned_term_is_found_in_any_spelling():
    assert banned("_told_by") == ["told"]
    assert banned("SpareBooks") == ["books"]
    assert banned("stage") == ["stage"]
    assert banned("_says") == ["says"]
    assert banned("test_a_page_says_why") == []
    assert banned("HTTPTeller2") == ["teller"]
    assert banned("saidest_backstage_bookkeeping_drawing") == []


def test_identifiers_use_standard_terms():
    found = {
        f"{name}:{line}: {identifier} ({word}: {_TERMS[word]})"
        for name in ours(".py")
        for line, identifier in identifiers(name)
        if f"{name}:{identifier}" not in ALLOWED
        for word in banned(identifier)
    }
    complain(sorted(found), "name it by the field's standard term, or add it to ALLOWED")


def test_no_two_public_classes_have_one_name():
    named = defaultdict(list)
    for name in ours(".py"):
        if not name.startswith("tests/"):
            for node in tree(name).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    named[node.name].append(name)
    complain(
        [f"{one}: {', '.join(places)}" for one, places in named.items() if len(places) > 1],
        "a name has one meaning in the whole project",
    )
