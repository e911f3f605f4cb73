"""The language of conditions: a small part of CEL, in which any two implementations agree.

A condition compares variables, literals and what arithmetic makes of them, and joins comparisons.
It has no loops, no text that grows and no pattern matching, so its cost is bounded by its length.

Left out as well is what libraries read differently: a decimal that is not a number (so there is no
division of decimals, and few multiplications), the negative of a value, the length of a text, maps;
docs/decisions/0034 has the differences that were found. And what no rule needs: escapes in texts,
unsigned numbers, bytes, null, types as values, lists other than behind `in`.

Here the tokens of a line are read, and what is not part of the language is refused; CEL's own
checker (`checker.py`) then does the grammar and the types.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from services.payment.policy.rules import Mistake, MistakeCode
from services.payment.policy.variables import VARIABLES

# The functions of the language, each with its use.
USES = {
    "startsWith": "region.startsWith('EU')",
    "endsWith": "region.endsWith('-1')",
    "contains": "region.contains('-')",
    "double": "double(amount)",
}
FUNCTIONS = (*USES,)
_NAMES = {"true", "false", "in", *FUNCTIONS, *(each.name for each in VARIABLES)}

# So few that a decimal stays finite: nine whole numbers of 2**63, made decimal, are below 10**172,
# and sums in a line of 500 characters do not change that.
MAX_PRODUCTS = 8

_OPERATORS = {"&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "!"}

TokenKind = Literal["text", "whole", "decimal", "name", "operator", "other"]


class Token(NamedTuple):
    """One token of a line; `at` is its place in the line, from 0."""

    kind: TokenKind
    text: str
    at: int


# A text has no escapes; a number is followed by no letter.
_TOKEN = re.compile(
    r"""\s+ | \#.*
      | (?P<text> '[^'\\\t]*' | "[^"\\\t]*" )
      | (?P<decimal> (?:0|[1-9][0-9]{0,14})\.[0-9]{1,15} (?![\w.]) )
      | (?P<whole> (?:0|[1-9][0-9]*) (?![\w.]) )
      | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
      | (?P<operator> && | \|\| | [=!<>]= | [-+*/%<>!()\[\],] | \.(?![0-9]) )
      | (?P<other> ['"].* | [\w.]+ | . )
    """,
    re.VERBOSE,
)


def tokens(line: str) -> Iterator[Token]:
    """The tokens of a line, without spaces and comment."""
    for found in _TOKEN.finditer(line):
        if found.lastgroup:
            yield Token(found.lastgroup, found[0], found.start())  # type: ignore[arg-type]


class Spelling(NamedTuple):
    """A condition in its one spelling, and where each of its tokens begins there, from 0."""

    text: str
    starts: tuple[int, ...]


def spelled(condition: Sequence[Token]) -> Spelling:
    text, before, is_prefix, starts = "", "", True, []
    for token in condition:
        is_call = token.text == "(" and before in FUNCTIONS
        if not (is_prefix or is_call or before == "." or token.text in (")", "]", ",", ".")):
            text += " "
        starts.append(len(text))
        text += token.text
        is_prefix = token.text in ("!", "(", "[") or (
            token.text == "-" and _starts_an_operand(before)
        )
        before = token.text
    return Spelling(text, tuple(starts))


def column_in_line(condition: Sequence[Token], starts: Sequence[int], column: int) -> int:
    """Where in the line stands what has this column in the one spelling; both count from 1."""
    nth = max(0, bisect_right(starts, column - 1) - 1)
    token = condition[nth]
    return token.at + 1 + min(column - 1 - starts[nth], len(token.text))


def _starts_an_operand(before: str) -> bool:
    """Whether what stands behind this token begins a value, so that a - there is a sign."""
    return before in ("", "(", "[", ",") or before in _OPERATORS


def _is_number(behind: Sequence[Token]) -> bool:
    return bool(behind) and behind[0].kind in ("whole", "decimal")


def outside_the_language(condition: Sequence[Token], line: int) -> Mistake | None:
    """The first token that a condition cannot have."""
    products = [token for token in condition if token.text == "*"]
    if len(products) > MAX_PRODUCTS:
        message = f"more than {MAX_PRODUCTS} multiplications in a condition"
        return Mistake(line, products[MAX_PRODUCTS].at + 1, "too-long", message)
    before = ""
    for at, token in enumerate(condition):
        code, message = _objection(before, token, condition[at + 1 :])
        if code:
            return Mistake(line, token.at + 1, code, message)
        before = token.text
    return None


def _objection(
    before: str, token: Token, behind: Sequence[Token]
) -> tuple[MistakeCode, str] | tuple[None, str]:
    if token.kind == "other":
        return "syntax", _why_not(token.text)
    if token.kind == "name" and token.text not in _NAMES:
        known = ", ".join((*(each.name for each in VARIABLES), *FUNCTIONS))
        return "unknown-name", f"{token.text} is none of {known}; a text stands in quotes: 'EU'"
    if token.text in FUNCTIONS and (not behind or behind[0].text != "("):
        return "syntax", f"{token.text} is a function: {USES[token.text]}"
    if token.text == before == "!":
        return "syntax", "! stands twice"
    if token.text == "-" and _starts_an_operand(before) and not _is_number(behind):
        return "syntax", "a sign stands only before a number: write 0 - amount"
    if (before == "in") != (token.text == "["):
        return "syntax", "a list stands behind `in`, and only there: region in ['EU', 'US']"
    if token.text == "[" and not _is_list(behind):
        return "type", "a list has only texts, only whole numbers or only decimal numbers"
    return None, ""


def _why_not(text: str) -> str:
    if text[0] in "'\"":
        return "a text has no backslash and no tab, and ends on its line: 'EU'"
    if text[0].isdigit() or text[0] == ".":
        return f"{text} is not a number here: write 100 or 0.8, with 15 digits at most"
    if text[0] == "=":
        return "a condition compares with =="
    return f"{text} has no meaning in a condition"


def _is_list(behind: Sequence[Token]) -> bool:
    """Whether what stands behind a bracket is literals of one kind, up to the other bracket."""
    kinds: set[TokenKind] = set()
    before = "["
    for token in behind:
        if token.text == "]":
            return len(kinds) == 1
        if token.kind in ("text", "whole", "decimal"):
            kinds.add(token.kind)
        elif token.text != "," and (token.text != "-" or before not in ("[", ",")):
            return False
        before = token.text
    return False
