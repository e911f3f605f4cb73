"""Reads a policy's text: one rule a line, every mistake with its place.

    # a comment
    [if] CONDITION then ACTION [onError ACTION]

ACTION is allow, deny, skipFallback, `allowRetry = false`, `prefer PROVIDER` or `avoid PROVIDER`.
The first rule whose condition is true decides. A rule whose condition fails at run time decides as
well, by its onError; without one that is skipFallback. Where no rule decides, it is allowed.
"""

import functools
import hashlib
import re
from collections.abc import Collection

from services.payment.policy.checker import NotCel, program
from services.payment.policy.condition import (
    Token,
    column_in_line,
    outside_the_language,
    spelled,
    tokens,
)
from services.payment.policy.rules import (
    DEFAULT_ON_ERROR,
    KEPT,
    Mistake,
    Policy,
    PolicyAction,
    Rule,
)

# Room for fifty rules with a comment each. To ask about all of it takes a millisecond at most.
MAX_TEXT = 16_384
MAX_RULES = 50
# More than anybody reads at a glance.
MAX_LINE = 500

_ACTION = re.compile(
    r"(?P<kind>allow|deny|skipFallback|allowRetry\s*=\s*false)(?![\w-])"
    r"|(?P<about>prefer|avoid)\s+(?P<provider>[A-Za-z][A-Za-z0-9_-]{0,63})(?![\w-])"
)
_ON_ERROR = re.compile(r"\s+onError\s+")
_ACTIONS = "allow, deny, skipFallback, allowRetry = false, prefer PROVIDER or avoid PROVIDER"


def read_policy(
    text: str, providers: Collection[str] | None = None
) -> Policy | tuple[Mistake, ...]:
    """The policy, or all mistakes in it. `providers` are those that a rule may name; None, for a
    text that was accepted before, lets it name any."""
    lines = text.replace("\r\n", "\n").rstrip().split("\n")
    refused = _not_readable(lines)
    if refused:
        return (refused,)
    reading = _Reading(providers)
    normal = [reading.line(number, line) for number, line in enumerate(lines, 1)]
    if len(reading.rules) > MAX_RULES:
        last = reading.rules[MAX_RULES].line
        reading.mistakes.append(Mistake(last, 1, "too-long", f"more than {MAX_RULES} rules"))
    if reading.mistakes:
        return tuple(reading.mistakes)
    # With its spaces the one spelling may be longer, and it is read again.
    refused = _not_readable(normal)
    if refused:
        return (refused,)
    normalised = "\n".join(normal) + "\n"
    version = hashlib.sha256(normalised.encode()).hexdigest()
    return Policy(version, normalised, tuple(reading.rules))


@functools.lru_cache(maxsize=KEPT)
def stored_policy(text: str) -> Policy:
    """A policy that was read before, from the `text` it was stored with."""
    match read_policy(text):
        case Policy() as policy:
            return policy
        case mistakes:
            raise ValueError(f"a stored policy is no longer one: {mistakes[0]}")


def _not_readable(lines: list[str]) -> Mistake | None:
    """What makes it pointless to read the lines."""
    if sum(len(line) + 1 for line in lines) > MAX_TEXT:
        return Mistake(1, 1, "too-long", f"more than {MAX_TEXT} characters")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            message = f"more than {MAX_LINE} characters in a line, with a space around operators"
            return Mistake(number, 1, "too-long", message)
        for at, character in enumerate(line, 1):
            if character != "\t" and not character.isprintable():
                return Mistake(number, at, "not-text", "a character that cannot be shown")
    return None


class _Reading:
    """What was read so far."""

    def __init__(self, providers: Collection[str] | None) -> None:
        self._providers = providers
        self._conditions: dict[str, Rule] = {}
        self.rules: list[Rule] = []
        self.mistakes: list[Mistake] = []

    def line(self, number: int, line: str) -> str:
        """Read one line; returns how it is written in the policy."""
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            return stripped
        found = self._rule(number, line)
        if isinstance(found, Mistake):
            self.mistakes.append(found)
            return stripped
        self.rules.append(found)
        comment = _comment(line)
        return written(found) + (f"  {comment}" if comment else "")

    def _rule(self, number: int, line: str) -> Rule | Mistake:
        condition, then = [], None
        for token in tokens(line):
            if token.text == "then":
                then = token
                break
            condition.append(token)
        if condition and condition[0].text == "if":
            del condition[0]
        outside = outside_the_language(condition, number)
        if outside:
            return outside
        if then is None:
            return Mistake(number, len(line) + 1, "syntax", "`then` and an action are missing")
        if not condition:
            return Mistake(number, then.at + 1, "syntax", "a condition is missing before `then`")
        when, starts = spelled(condition)
        try:
            program(when)
        except NotCel as refused:
            column = column_in_line(condition, starts, refused.column)
            return Mistake(number, column, refused.code, refused.message)
        return self._with_actions(number, line, then, when)

    def _with_actions(self, number: int, line: str, then: Token, when: str) -> Rule | Mistake:
        at = then.at + len(then.text)
        text = line[: len(line) - len(_comment(line))].rstrip()
        actions = []
        for needs_more in (True, False):
            at += len(text[at:]) - len(text[at:].lstrip())
            found = _ACTION.match(text, at)
            if found is None:
                return Mistake(number, at + 1, "syntax", f"an action is missing: {_ACTIONS}")
            provider = found["provider"]
            if provider and self._providers is not None and provider not in self._providers:
                known = ", ".join(sorted(self._providers))
                message = f"there is no provider {provider}; there are {known}"
                return Mistake(number, found.start("provider") + 1, "unknown-provider", message)
            actions.append(_action(found))
            at = found.end()
            joint = _ON_ERROR.match(text, at) if needs_more else None
            if joint is None:
                break
            at = joint.end()
        if text[at:]:
            at += len(text[at:]) - len(text[at:].lstrip())
            return Mistake(number, at + 1, "syntax", "only `onError` and an action may follow")
        rule = Rule(number, when, actions[0], actions[1] if actions[1:] else DEFAULT_ON_ERROR)
        return self._pointless(rule, line) or rule

    def _pointless(self, rule: Rule, line: str) -> Mistake | None:
        """Why the rule can never decide."""
        column = len(line) - len(line.lstrip()) + 1
        always = self._conditions.get("true")
        if always:
            message = f"never reached: line {always.line} is always true"
            return Mistake(rule.line, column, "unreachable", message)
        same = self._conditions.setdefault(rule.when, rule)
        if same is rule:
            return None
        if (same.action, same.on_error) == (rule.action, rule.on_error):
            return Mistake(rule.line, column, "repeated", f"the same as line {same.line}")
        message = f"never reached: line {same.line} asks the same, and says {same.action}"
        return Mistake(rule.line, column, "contradiction", message)


def _comment(line: str) -> str:
    """The comment at the end of a line: what begins at the first # outside a text."""
    last = 0
    for token in tokens(line):
        last = token.at + len(token.text)
    at = line.find("#", last)
    return line[at:].rstrip() if at >= 0 else ""


def _action(found: re.Match[str]) -> PolicyAction:
    if found["about"]:
        return PolicyAction(found["about"], found["provider"])  # type: ignore[arg-type]
    kind = re.sub(r"\s*=\s*", " = ", found["kind"])
    return PolicyAction(kind)  # type: ignore[arg-type]


def written(rule: Rule) -> str:
    """A rule in its one spelling."""
    on_error = "" if rule.on_error == DEFAULT_ON_ERROR else f" onError {rule.on_error}"
    return f"if {rule.when} then {rule.action}{on_error}"
