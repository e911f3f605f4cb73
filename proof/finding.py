"""What was found of one promise, and the verdict over all of them."""

from typing import Any, Literal

import msgspec

from proof.invariant import Invariant

State = Literal["holds", "violated", "settling", "unknown"]
Row = dict[str, Any]


class Finding(msgspec.Struct, frozen=True):
    """One promise and what was found. `rows` are the first of `total` offending rows; `overdue` of
    them had time enough to settle; `reason` says why a promise could not be judged; `took_ms` is
    for a statement of its own, 0 where one statement found that many promises hold."""

    invariant: Invariant
    state: State
    total: int = 0
    overdue: int = 0
    rows: tuple[Row, ...] = ()
    reason: str | None = None
    took_ms: float = 0.0


def verdict(findings: tuple[Finding, ...]) -> State:
    """The worst state found: violated, then unknown, then settling."""
    states = {each.state for each in findings}
    order: tuple[State, ...] = ("violated", "unknown", "settling")
    return next((state for state in order if state in states), "holds")
