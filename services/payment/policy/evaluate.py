"""Asks a policy about one payment.

CEL gives what went wrong at run time back as a value, which is true in Python's eyes. So a rule
matches only where the value is `True` itself and of type boolean."""

import functools
from collections.abc import Sequence
from typing import Literal

import msgspec
from cel_expr_python import cel

from services.payment.policy.checker import activation, program
from services.payment.policy.rules import ALLOW, KEPT, Policy, PolicyAction
from services.payment.policy.variables import Inputs

RuleOutcome = Literal["matched", "not matched", "failed", "not reached"]
_NOT_REACHED: tuple[RuleOutcome, str] = ("not reached", "")


class RuleTrace(msgspec.Struct, frozen=True):
    """What became of one rule; `message` is CEL's, where it failed."""

    line: int
    when: str
    action: str
    outcome: RuleOutcome
    message: str = ""


class PolicyDecision(msgspec.Struct, frozen=True):
    """What a policy says of one payment: the action, the line that decided (None where no rule
    did, which allows), and every rule's part in it. `failed` says that the line's condition could
    not be evaluated, so that this is its onError."""

    version: str
    action: PolicyAction
    line: int | None
    failed: bool
    trace: tuple[RuleTrace, ...]


def evaluate(policy: Policy, inputs: Inputs) -> PolicyDecision:
    """The first rule that is true, or fails, decides. `inputs` are from `policy_inputs`."""
    programs = _programs(tuple(rule.when for rule in policy.rules))
    values = activation(inputs)
    decided: tuple[PolicyAction, int, bool] | None = None
    trace = []
    for rule, compiled in zip(policy.rules, programs, strict=True):
        outcome, message = _asked(compiled, values) if decided is None else _NOT_REACHED
        if outcome == "matched":
            decided = rule.action, rule.line, False
        elif outcome == "failed":
            decided = rule.on_error, rule.line, True
        trace.append(RuleTrace(rule.line, rule.when, str(rule.action), outcome, message))
    action, line, failed = decided or (ALLOW, None, False)
    return PolicyDecision(policy.version, action, line, failed, tuple(trace))


def _asked(compiled: cel.Expression, values: cel.Activation) -> tuple[RuleOutcome, str]:
    found = compiled.eval(values)
    value = found.value()
    if found.type() != cel.Type.BOOL:
        return "failed", str(value)
    return ("matched" if value is True else "not matched"), ""


@functools.lru_cache(maxsize=KEPT)
def _programs(conditions: Sequence[str]) -> tuple[cel.Expression, ...]:
    return tuple(program(each) for each in conditions)
