"""The JSON Schema of a wire struct, and what in a message breaks it."""

import functools
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from chassis.contracts.masked import masked

# Of a message that is another one altogether the first few say enough.
_MOST = 5
_LONGEST = 120
# What is held against a bound is a number by its schema: an amount, and nothing secret.
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


class Violation(msgspec.Struct, frozen=True):
    """One place where a message breaks its contract. `field` is the place in the schema, with `[]`
    for each item of a list, so there are only as many as the schema has; `rule` is the keyword of
    the schema, `expected` its value, `found` what was there, masked (masked.py)."""

    field: str
    rule: str
    expected: str
    found: str


class Contract:
    """A wire struct with its schema, ready to check."""

    def __init__(self, shape: type) -> None:
        self.name = shape.__name__
        self.schema: dict[str, Any] = msgspec.json.schema(shape)
        # A twentieth of a second to import, which a process need not wait for when it starts.
        import jsonschema_rs

        self._validator = jsonschema_rs.validator_for(self.schema, validate_formats=True)

    def violations(self, body: bytes) -> list[Violation]:
        """What is wrong with the message; at most five."""
        try:
            value = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return [Violation("", "json", "JSON", f"{len(body)} bytes that are none")]
        if self._validator.is_valid(value):
            return []
        found = islice(self._validator.iter_errors(value), _MOST)
        return [self._violation(each) for each in found]

    def _violation(self, error: Any) -> Violation:
        path = list(error.schema_path)
        rule = str(path[-1])
        field = _field(error.evaluation_path)
        if rule == "required":
            # It is our own schema's name, not the sender's.
            missing = str(error.kind.property)
            field = f"{field}.{missing}".lstrip(".")
            return Violation(field, rule, missing, "nothing")
        found = masked(error.instance, is_bounded=rule in _BOUNDS)
        return Violation(field, rule, _plain(_at(self.schema, path)), found)


@functools.cache
def contract_of(shape: type) -> Contract:
    """The contract of a wire struct; made once a process."""
    return Contract(shape)


def _field(path: Iterable[str | int]) -> str:
    """The names of properties on the way through the schema: `attempts[].leg_n`."""
    field, steps = "", iter(path)
    for step in steps:
        match step:
            case "properties":
                field = f"{field}.{next(steps, '')}"
            case "items" | "prefixItems":
                field = f"{field}[]"
            case "additionalProperties":
                field = f"{field}.*"
    return field.lstrip(".")


def _at(schema: Any, path: list[str | int]) -> Any:
    found = schema
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _plain(expected: Any) -> str:
    text = expected if isinstance(expected, str) else msgspec.json.encode(expected).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
