"""What a decoder says of a value that does not fit, in JSON's words instead of its own."""

import re

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
_ITEMS = {"str": "characters", "array": "items", "object": "fields"}

_EXPECTED = re.compile(r"Expected `([\w |]+)`(?:, got `(\w+)`)?(.*)", re.DOTALL)
_LENGTH = re.compile(r" of length ([<>]=?) (\d+)")
_BOUND = re.compile(r" ([<>]=?) (\S+)")
_PATTERN = re.compile(r" matching regex '(.*)'")
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL)


def plain(message: str) -> str:
    """The same as a sentence for a client; without the path, which msgspec puts at the end."""
    message = message.partition(" - at `$")[0]
    if found := _EXPECTED.fullmatch(message):
        names, got, rest = found.groups()
        wanted = " or ".join(_KINDS.get(each, each) for each in names.split(" | "))
        if got:
            return f"this is {_KINDS.get(got, got)}; {wanted} is expected"
        return f"{wanted}{_narrowed(names, rest)} is expected"
    if found := _MISSING.fullmatch(message):
        return f"`{found[1]}` is missing"
    if found := _UNKNOWN.fullmatch(message):
        return f"there is no field `{found[1]}`"
    if found := _NO_CHOICE.fullmatch(message):
        return f"{found[1]} is none of the values that are known here"
    return _FORMS.get(message, message)


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
