"""What a decoder says of a value that does not fit, in JSON's words instead of its own."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

# By the names that the decoder has for them: some are Python's.
_KINDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
    "uuid": "a UUID",
    "datetime": "an instant as 2026-11-28T12:00:00Z",
    "date": "a date as 2026-11-28",
    "bytes": "base64",
}
_FORMS = {
    "Invalid UUID": "a UUID is expected",
    "Invalid RFC3339 encoded date": f"{_KINDS['date']} is expected",
    "Invalid RFC3339 encoded datetime": f"{_KINDS['datetime']} is expected",
}
_COMPARED = {">=": "of at least", "<=": "of at most", ">": "of more than", "<": "of less than"}
_ENTRIES = ("item_type", "value_type")
_ITEMS = {"str": "characters", "array": "items", "object": "fields"}

_EXPECTED = re.compile(r"Expected `([\w |]+)`(?:, got `(\w+)`)?(.*)", re.DOTALL)
_LENGTH = re.compile(r" of length ([<>]=?) (\d+)")
_BOUND = re.compile(r" ([<>]=?) (\S+)")
_PATTERN = re.compile(r" matching regex '(.*)'")
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL)


# A step of a path as msgspec writes it: a field, or an entry of an array or a mapping.
_STEP = re.compile(r"\.([^.\[]+)|\[(?:\d+|\.\.\.)\]")


def plain(message: str, shape: Any = Any) -> str:
    """The same as a sentence for a client; without the path, which msgspec puts at the end. What
    `shape` takes there is named, where that is one of a few values."""
    message, _, path = message.partition(" - at `$")
    if found := _EXPECTED.fullmatch(message):
        names, got, rest = found.groups()
        wanted = " or ".join(_KINDS.get(each, each) for each in names.split(" | "))
        if got:
            return f"this is {_KINDS.get(got, got)}; {wanted} is expected"
        return f"{wanted}{_narrowed(names, rest)} is expected"
    if found := _MISSING.fullmatch(message):
        return f"`{found[1]}` is missing"
    if found := _UNKNOWN.fullmatch(message):
        # The client's own text, of any length.
        return f"there is no field `{found[1][:180]}`"
    if found := _NO_CHOICE.fullmatch(message):
        known = ", ".join(_choices(inspect.type_info(shape), path.strip("`")))
        return f"{found[1][:80]} is not known here" + (f"; there are: {known}" if known else "")
    return _FORMS.get(message, message)


def _choices(shape: inspect.Type, path: str) -> list[str]:
    """The values that may stand at this path; none where any may."""
    here = list(_kinds(shape))
    for step in _STEP.finditer(path):
        here = [kind for each in here for inner in _within(each, step[1]) for kind in _kinds(inner)]
    named = (each.values for each in here if isinstance(each, inspect.LiteralType))
    return [str(value) for values in named for value in values]


def _kinds(shape: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(shape, inspect.UnionType):
        for each in shape.types:
            yield from _kinds(each)
    else:
        yield shape.type if isinstance(shape, inspect.Metadata) else shape


def _within(shape: inspect.Type, field: str | None) -> Iterator[inspect.Type]:
    if field is None:
        yield from (getattr(shape, name) for name in _ENTRIES if hasattr(shape, name))
    elif isinstance(shape, inspect.StructType):
        yield from (each.type for each in shape.fields if each.encode_name == field)


def _narrowed(name: str, rest: str) -> str:
    if found := _LENGTH.fullmatch(rest):
        return f" {_COMPARED[found[1]]} {found[2]} {_ITEMS.get(name, 'bytes')}"
    if found := _BOUND.fullmatch(rest):
        return f" {_COMPARED[found[1]]} {found[2]}"
    if found := _PATTERN.fullmatch(rest):
        # Written as Python does; its end is our guard against a line break.
        pattern = found[1].replace("\\\\", "\\").removesuffix(r"(?!\n)")
        return f" that matches {pattern}"
    return rest
