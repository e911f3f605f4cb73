"""What a policy's conditions can ask about: the one table, and where the values come from."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from services.payment.contract import EXPONENTS, MAX_AMOUNT_MINOR

CelType = Literal["int", "double", "string"]
Inputs = dict[str, int | float | str]


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One name that a condition may use. `sources` are tried in their order, then `default`;
    without one, the request always has a value."""

    name: str
    type: CelType
    unit: str
    sources: tuple[Literal["request", "metadata", "merchant"], ...]
    default: float | str | None = None
    # What a text must look like, and how that is said.
    pattern: str = ""
    form: str = ""


VARIABLES = (
    Variable(name="amount", type="int", unit="minor units", sources=("request",)),
    Variable(name="currency", type="string", unit="ISO 4217 code", sources=("request",)),
    Variable(
        name="unit",
        type="int",
        unit="minor units in one unit of the currency: 100 for EUR, 1 for JPY, 1000 for BHD",
        sources=("request",),
    ),
    Variable(
        name="fraudScore",
        type="double",
        unit="suspicion, 1.0 at most",
        sources=("metadata", "merchant"),
        default=0.0,
        form="a number from 0 to 1",
    ),
    Variable(
        name="region",
        type="string",
        unit="a region's code",
        sources=("metadata", "merchant"),
        default="",
        pattern=r"[A-Z][A-Z0-9-]{0,15}|",
        form="up to 16 capital letters, digits and hyphens, such as EU",
    ),
    Variable(
        name="merchantTier",
        type="string",
        unit="what the merchant has agreed on",
        sources=("metadata", "merchant"),
        default="",
        pattern=r"[a-z][a-z0-9-]{0,31}|",
        form="up to 32 small letters, digits and hyphens, such as gold",
    ),
)


class BadInput(msgspec.Struct, frozen=True):
    """A value that a policy cannot be asked with; `field` says where it was found."""

    field: str
    message: str


def policy_inputs(
    *,
    amount_minor: int,
    currency: str,
    metadata: Mapping[str, Any],
    merchant: Mapping[str, Any],
) -> Inputs | BadInput:
    """The value of every variable, as plain JSON: stored with the decision, so that it can be made
    again. `metadata` is the request's, `merchant` the merchant's own values, which stand in for
    what the request leaves out; other keys of both are of no concern here."""
    if not 1 <= amount_minor <= MAX_AMOUNT_MINOR:
        return BadInput("amount", f"must be 1 to {MAX_AMOUNT_MINOR} minor units")
    if currency not in EXPONENTS:
        return BadInput("currency", f"must be one of {', '.join(EXPONENTS)}")
    inputs: Inputs = {
        "amount": amount_minor,
        "currency": currency,
        "unit": 10 ** EXPONENTS[currency],
    }
    places = {"metadata": metadata, "merchant": merchant}
    for each in VARIABLES:
        if each.default is None:
            continue
        inputs[each.name] = each.default
        for source in each.sources:
            value = places[source].get(each.name)
            if value is None:
                continue
            if not _is_valid(value, each):
                return BadInput(f"{source}.{each.name}", f"must be {each.form}")
            inputs[each.name] = float(value) if each.type == "double" else value
            break
    return inputs


def _is_valid(value: object, variable: Variable) -> bool:
    match value:
        case bool():
            return False
        case int() | float() if variable.type == "double":
            return 0 <= value <= 1
        case str() if variable.type == "string":
            return re.fullmatch(variable.pattern, value) is not None
    return False
