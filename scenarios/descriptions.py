"""What an act does, in a few words for a person."""

from datetime import UTC, datetime

from msgspec import UNSET

from chassis.faults.kinds import KIND_LABELS, strength
from scenarios.conditions import Observation, checks
from scenarios.model import (
    Condition,
    Instruction,
    Kill,
    LetLoose,
    Load,
    Restart,
    Shelf,
    Wait,
    seconds,
)
from topology import LABELS, NAMES

_ANY_TIME = datetime(1, 1, 1, tzinfo=UTC)


def describe(does: Instruction) -> str:
    """One line."""
    if isinstance(does, str):
        return {"calm": "call every gremlin off", "stop load": "customers go home"}[does]
    if isinstance(does, Wait):
        return f"wait until {_all_of(does.until)}, {does.limit} at most"
    if isinstance(does, Condition):
        return f"see: {_all_of(does)}"
    if isinstance(does, Kill):
        return f"{NAMES[does.service]} killed, away for {does.away}"
    if isinstance(does, Restart):
        name = NAMES.get(does.process, "PostgreSQL")
        return f"{name} restarted, away for {does.away}"
    if isinstance(does, LetLoose):
        return _gremlin(does)
    return _shelf(does) if isinstance(does, Shelf) else _load(does)


def _all_of(condition: Condition) -> str:
    return ", ".join(check.wanted for check in checks(condition, Observation(_ANY_TIME)))


def _gremlin(does: LetLoose) -> str:
    delay_ms, jitter_ms = (
        0 if length is UNSET else round(seconds(str(length)) * 1000)
        for length in (does.delay, does.jitter)
    )
    status = 503 if does.status is UNSET else does.status
    detail = strength(does.kind, delay_ms, jitter_ms, status)
    share = f"{does.share} % of requests" if does.share < 100 else ""
    how = ", ".join(filter(None, (detail, share)))
    label = f"{KIND_LABELS[does.kind]} {how}".strip()
    return f"{label} on {LABELS[does.service].lower()}, for {does.ttl} at most"


def _shelf(does: Shelf) -> str:
    if does.exactly is not UNSET:
        return f"exactly {does.exactly} units of {does.product} on the shelf"
    return f"at least {does.at_least} units of {does.product} on the shelf"


def _load(does: Load) -> str:
    each = f"{does.quantity} {does.product}" if does.quantity > 1 else does.product
    if does.count is not UNSET:
        return f"{does.count} customers for {each}, {min(does.clients, does.count)} at once"
    return f"{does.rate:g} orders a second for {each}"
