"""What a policy is made of, and what is wrong with one: values alone."""

from typing import Literal

import msgspec

ActionKind = Literal["allow", "deny", "skipFallback", "allowRetry = false", "prefer", "avoid"]


class PolicyAction(msgspec.Struct, frozen=True):
    """What a rule asks for; `provider` only with prefer and avoid."""

    kind: ActionKind
    provider: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.provider}" if self.provider else self.kind


ALLOW = PolicyAction("allow")
# Whatever went wrong, one attempt at the first provider does no harm that a policy could prevent.
DEFAULT_ON_ERROR = PolicyAction("skipFallback")


# How many policies are kept read and compiled, at some 5 KB a rule: more than a shop's merchants
# use at a time. To read another costs a millisecond.
KEPT = 256


class Rule(msgspec.Struct, frozen=True):
    """One line: `when` is its condition in CEL, in one spelling; `line` counts from 1."""

    line: int
    when: str
    action: PolicyAction
    on_error: PolicyAction = DEFAULT_ON_ERROR


class Policy(msgspec.Struct, frozen=True):
    """A policy as it is stored, for good: `version` is the SHA-256 of `text`, which is the text
    with every rule in one spelling; comments and line numbers stay."""

    version: str
    text: str
    rules: tuple[Rule, ...]


MistakeCode = Literal[
    "too-long",
    "not-text",
    "syntax",
    "unknown-name",
    "unknown-provider",
    "type",
    "too-deep",
    "contradiction",
    "repeated",
    "unreachable",
]


class Mistake(msgspec.Struct, frozen=True):
    """Why a text is not a policy; line and column count from 1, in characters."""

    line: int
    column: int
    code: MistakeCode
    message: str
