"""docs/protocol.md says what the code does, and whatever cites it finds what it cites."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from chassis.outcome import Outcome
from fleet.run_dir import ROOT
from proof import invariants
from services.inventory.domain import TRANSITIONS as RESERVATION
from services.order.domain import TRANSITIONS as ORDER
from services.payment.domain import ATTEMPT_TRANSITIONS, PAYMENT_TRANSITIONS
from services.payment.routing.next_account import HARD_DECLINES
from services.wallet import domain as wallet
from tests.tidy.files import complain, ours, read

DOCUMENT = "docs/protocol.md"
TEXT = read(DOCUMENT)
MACHINES = {
    "Order": ORDER,
    "Reservation": RESERVATION,
    "Payment": PAYMENT_TRANSITIONS,
    "Attempt": ATTEMPT_TRANSITIONS,
    "Wallet payment": wallet.PAYMENT_TRANSITIONS,
    "Purchase": wallet.PURCHASE_TRANSITIONS,
    "Hold": wallet.HOLD_TRANSITIONS,
    "Wallet credit": wallet.CREDIT_TRANSITIONS,
    "Wallet attempt": wallet.ATTEMPT_TRANSITIONS,
}
# Not part of a longer word, nor of an escaped byte such as %F0.
CITED = re.compile(r"(?<![\w%#])[RIF][1-9]\d?(?!\w)")
ANCHOR = re.compile(r"protocol\.md#([\w-]+)")
FILE = re.compile(r"`((?:[\w-]+/)+(?:[\w.-]+\.\w+)?)`")
LINK = re.compile(r"\]\(([\w/.-]+)\)")


def sections() -> dict[str, str]:
    """The text below each heading, up to the next heading of any level."""
    heads = list(re.finditer(r"^#{1,3} (.+)$", TEXT, re.MULTILINE))
    ends = [*(head.start() for head in heads[1:]), len(TEXT)]
    return {head[1]: TEXT[head.end() : end] for head, end in zip(heads, ends, strict=True)}


def rows(text: str) -> list[list[str]]:
    """The cells of every table row that is not a table's heading."""
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line, below in pairwise([*text.splitlines(), ""])
        if line.startswith("|") and not line.startswith("|--") and not below.startswith("|--")
    ]


SECTIONS = sections()
IDS = [row[0] for row in rows(TEXT)]


def differences(name: str, documented: set[str], found: set[str]) -> list[str]:
    """What is on one side only."""
    return [
        *(f"{name}: {each} is in the code, not in the document" for each in found - documented),
        *(f"{name}: {each} is in the document, not in the code" for each in documented - found),
    ]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_document_has_the_state_machines_of_the_code(machine: str):
    documented = {f"{row[1]} -> {row[2]}" for row in rows(SECTIONS[machine])}
    found = {f"{src} -> {dst}" for src, dst in MACHINES[machine]}
    complain(
        sorted(differences(machine, documented, found)),
        f"{DOCUMENT}: make the table of this machine equal to the transitions in its domain module",
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_a_diagram_draws_the_transitions_of_its_table_and_no_others(machine: str):
    tabled = {f"{row[1]} -> {row[2]}" for row in rows(SECTIONS[machine])}
    shown = [
        f"{src} -> {dst}"
        for src, dst in re.findall(r"^ +(\S+) --> ([^\s:]+)", SECTIONS[machine], re.MULTILINE)
        if "[*]" not in (src, dst)
    ]
    complain(
        [
            *(f"{each} is in the table, not in the diagram" for each in sorted(tabled - {*shown})),
            *(f"{each} is in the diagram, not in the table" for each in sorted({*shown} - tabled)),
            *sorted({f"{each} is shown twice" for each in shown if shown.count(each) > 1}),
        ],
        f"{DOCUMENT}: make the diagram of the {machine.lower()} equal to the table above it",
    )


def test_the_document_has_the_classes_of_outcomes_of_the_code():
    classes = {row[1] for row in rows(SECTIONS["Outcomes"]) if row[0].startswith("O-")}
    complain(
        sorted(differences("outcome", classes, {each.name for each in Outcome})),
        f"{DOCUMENT}, Outcomes: one row for each member of Outcome",
    )


def test_the_document_has_every_problem_code_of_the_services():
    documented = {row[0]: row[1] for row in rows(SECTIONS["Problem codes"])}
    found = problem_codes()
    complain(
        [
            *sorted(differences("problem code", {*documented}, {*found})),
            *(
                f"problem code: {code} is answered with {status}, the document says {stated}"
                for code, stated in sorted(documented.items())
                for status in sorted(found.get(code, ()))
                if status not in stated.split(", ")
            ),
        ],
        f"{DOCUMENT}, Problem codes: one row for each code, with every status it is answered with",
    )


def test_the_document_has_the_declines_after_which_no_other_account_is_asked():
    listed = TEXT.partition("no other account is asked, since the card itself is refused:")[2]
    documented = set(re.findall(r"`([a-z_]+)`", listed.partition(".")[0]))
    complain(differences("hard declines", documented, set(HARD_DECLINES)), "hard declines")


def test_every_rule_invariant_and_fault_that_is_cited_is_in_the_document():
    complain(
        [
            f"{name}:{number}: {cited}"
            for name in ours(".py", ".sql", ".md", ".html")
            for number, line in enumerate(read(name).splitlines(), 1)
            for cited in CITED.findall(line)
            if cited not in IDS
        ],
        f"no row of {DOCUMENT} has this id: correct the citation, or add the row",
    )


def test_every_section_that_is_cited_is_in_the_document():
    anchors = {title.lower().replace(" ", "-") for title in SECTIONS}
    here = [(f"{DOCUMENT}: #{cited}", cited) for cited in re.findall(r"\]\(#([\w-]+)\)", TEXT)]
    there = [
        (f"{name}: #{cited}", cited)
        for name in ours(".py", ".sql", ".md", ".html", ".yml")
        for cited in ANCHOR.findall(read(name))
    ]
    complain(
        [where for where, cited in here + there if cited not in anchors],
        f"{DOCUMENT} has no such heading; it has: {', '.join(sorted(anchors))}",
    )


def test_every_file_that_the_document_names_is_there():
    named = {*FILE.findall(TEXT), *(f"docs/{link}" for link in LINK.findall(TEXT))}
    complain(
        sorted(name for name in named if not (ROOT / name).exists()),
        f"{DOCUMENT}: name the file by its present path",
    )


def test_an_id_names_one_row():
    # An invariant of the proof has the id of the rule that it checks.
    checked = {each.id for each in invariants()}
    complain(
        sorted({each for each in IDS if IDS.count(each) > 1 and each not in checked}),
        f"{DOCUMENT}: two rows have the same id",
    )


# ---- the problem codes, read from the source ----------------------------------------------------


def problem_codes() -> dict[str, set[str]]:
    """Each code that services and chassis spell, with the statuses that stand beside it."""
    names = [name for name in ours(".py") if name.startswith(("services/", "chassis/"))]
    trees = {name: ast.parse(read(name)) for name in names}
    bound = {name: bindings(tree) for name, tree in trees.items()}
    codes: dict[str, set[str]] = {}
    for name, tree in trees.items():
        for line, statuses, code in answers(tree):
            spelled = texts(code)
            if isinstance(code, ast.Name | ast.Attribute):
                # A name of this file, or a constant of another one.
                word = code.id if isinstance(code, ast.Name) else code.attr
                everywhere = (each.get(word, set()) for each in bound.values())
                spelled = bound[name].get(word) or set().union(*everywhere)
            assert spelled, f"{name}:{line}: write the code as text, or as a constant"
            for each in spelled:
                codes.setdefault(each, set()).update(statuses)
    return codes


def answers(tree: ast.Module) -> Iterator[tuple[int, set[str], ast.expr]]:
    """Line, status (where it is a number) and code of each Problem(...) and shed(...)."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        named = {each.arg: each.value for each in call.keywords}
        if call.func.id == "Problem":
            status, code = call.args[:2]
            yield call.lineno, {str(n.value) for n in [status] if isinstance(n, ast.Constant)}, code
        elif call.func.id == "shed" and "code" in named:
            yield call.lineno, {"503"}, named["code"]


def bindings(tree: ast.Module) -> dict[str, set[str]]:
    """The texts that each name of a file can stand for: by assignment, or as a default."""
    found: dict[str, set[str]] = {}
    values: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            (target,), value = node.targets[:1], node.value
            both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            values += zip(target.elts, value.elts, strict=True) if both else [(target, value)]
        elif isinstance(node, ast.arguments):
            defaults = zip(node.kwonlyargs, node.kw_defaults, strict=True)
            found |= {arg.arg: texts(default) for arg, default in defaults if default is not None}
    for target, value in values:
        if isinstance(target, ast.Name):
            # What is looked up in a table can be any text of the table.
            tables = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            known = (found.get(table, set()) for table in tables)
            found.setdefault(target.id, set()).update(texts(value).union(*known))
    return found


def texts(value: ast.expr) -> set[str]:
    """The texts in an expression."""
    found = (n.value for n in ast.walk(value) if isinstance(n, ast.Constant))
    return {text for text in found if isinstance(text, str)}
