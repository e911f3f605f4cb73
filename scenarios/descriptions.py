"""What an action does, in one line for a person."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET

from chassis.currencies import plain_amount
from chassis.faults.kinds import KIND_LABELS, strength
from scenarios.condition_model import Condition
from scenarios.conditions import Observation, checks
from scenarios.model import (
    FillWallet,
    Instruction,
    Kill,
    LetLoose,
    Load,
    Pay,
    Restart,
    SetAccount,
    Shelf,
    ShowToken,
    Spend,
    Wait,
    seconds,
)
from topology import LABELS, NAMES

_PLAIN = {
    "calm": "call every gremlin off, let every account answer as before",
    "stop load": "customers go home",
}
# What an account does in a mode, as docs/acquirer.md has it.
_MODES = {
    "happy": "works",
    "latency": "waits three seconds, then works",
    "declined": "declines every card",
    "500": "works, then answers 500",
    "timeout": "works, then says nothing",
    "random": "does any of these, half of the time",
}
# Whose token somebody shows, and to whom.
_TOKENS = {
    "good": "their own token to {}",
    "withdrawn": "a token whose key is withdrawn to {}",
    "other_key": "a token signed with a key that is not published to {}",
    "forged_role": "a token with a forged role to {}",
    "refresh": "their refresh token",
    "spent": "a refresh token that is spent",
}
_ANY_TIME = datetime(1, 1, 1, tzinfo=UTC)


def describe(instruction: Instruction) -> str:
    """One line."""
    if isinstance(instruction, str):
        return _PLAIN[instruction]
    if isinstance(instruction, Wait):
        return f"wait until {_all_of(instruction.until)}, {instruction.limit} at most"
    if isinstance(instruction, Condition):
        return f"see: {_all_of(instruction)}"
    if isinstance(instruction, Kill):
        return f"{NAMES[instruction.service]} killed, away for {instruction.away}"
    if isinstance(instruction, Restart):
        name = NAMES.get(instruction.process, "PostgreSQL")
        return f"{name} restarted, away for {instruction.away}"
    if isinstance(instruction, SetAccount):
        return f"the account {instruction.name} {_MODES[str(instruction.mode)]}"
    return _DESCRIPTIONS[type(instruction)](instruction)


def _all_of(condition: Condition) -> str:
    return ", ".join(check.wanted for check in checks(condition, Observation(_ANY_TIME)))


def _gremlin(instruction: LetLoose) -> str:
    delay_ms, jitter_ms = (
        0 if length is UNSET else round(seconds(str(length)) * 1000)
        for length in (instruction.delay, instruction.jitter)
    )
    status = 503 if instruction.status is UNSET else instruction.status
    detail = strength(instruction.kind, delay_ms, jitter_ms, status)
    share = f"{instruction.share} % of requests" if instruction.share < 100 else ""
    how = ", ".join(filter(None, (detail, share)))
    label = f"{KIND_LABELS[instruction.kind]} {how}".strip()
    return f"{label} on {LABELS[instruction.service].lower()}, for {instruction.ttl} at most"


def _shelf(instruction: Shelf) -> str:
    if instruction.exactly is not UNSET:
        return f"exactly {instruction.exactly} units of {instruction.product} on the shelf"
    return f"at least {instruction.at_least} units of {instruction.product} on the shelf"


def _load(instruction: Load) -> str:
    each = (
        f"{instruction.quantity} {instruction.product}"
        if instruction.quantity > 1
        else instruction.product
    )
    if instruction.count is not UNSET:
        at_once = min(instruction.clients, instruction.count)
        return f"{instruction.count} customers for {each}, {at_once} at once"
    return f"{instruction.rate:g} orders a second for {each}"


def _pay(instruction: Pay) -> str:
    how = "".join(f", {name} {value}" for name, value in sorted(instruction.metadata.items()))
    each = (
        f"{plain_amount(instruction.amount, instruction.currency)} to {instruction.merchant}{how}"
    )
    if instruction.count is not UNSET:
        at_once = min(instruction.clients, instruction.count)
        return f"{instruction.count} payers of {each}, {at_once} at once"
    return f"{instruction.rate:g} payments a second of {each}"


def _spend(instruction: Spend) -> str:
    money = plain_amount(instruction.amount, instruction.currency)
    each = f"{money} from the wallet of {instruction.user} to {instruction.provider}"
    if instruction.count is not UNSET:
        at_once = min(instruction.clients, instruction.count)
        return f"{instruction.count} payments of {each}, {at_once} at once"
    return f"{instruction.rate:g} payments a second of {each}"


def _show(instruction: ShowToken) -> str:
    shown = _TOKENS[instruction.token].format(NAMES[instruction.service])
    return f"somebody shows {shown}{_times(instruction.count)}"


def _times(count: int) -> str:
    return "" if count == 1 else f", {count} times"


def _fill(instruction: FillWallet) -> str:
    money = plain_amount(instruction.exactly, instruction.currency)
    return f"exactly {money} to spend in the wallet of {instruction.user}"


_DESCRIPTIONS: Mapping[type, Callable[[Any], str]] = {
    LetLoose: _gremlin,
    Shelf: _shelf,
    FillWallet: _fill,
    Load: _load,
    Pay: _pay,
    Spend: _spend,
    ShowToken: _show,
}
