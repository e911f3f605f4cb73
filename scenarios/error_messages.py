"""Turns what msgspec says about a bad act into a sentence for the person who wrote it."""

import difflib
import re
from collections.abc import Iterable

from msgspec import inspect

from scenarios.condition_model import COMPARED
from scenarios.model import DURATION, Act

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_PATTERNS = {
    DURATION: "is not a length of time: write 500ms, 3s or 2min",
    COMPARED: "is not a number: write 5, or compare: '> 0', '>= 3', '< 10'",
}


def explain(error: str, data: object) -> tuple[str, str]:
    """The path the mistake is at, and what is wrong there; `data` is what was read."""
    match = _AT.match(error)
    what, path = (match["what"], match["path"] or "$") if match else (error, "$")
    shape, value = _at(path, data)
    if field := _quoted(r"unknown field `(.*)`", what):
        return f"{path}.{field}", _unknown(field, shape, path)
    if field := _quoted(r"missing required field `(.*)`", what):
        return path, f"{_name(path)} needs `{field}`"
    if what.startswith("Invalid enum value"):
        return path, _no_such(str(value), _choices(shape), "value")
    if pattern := _quoted(r"matching regex '(.*)'", what):
        for known, why in _PATTERNS.items():
            if pattern.encode().decode("unicode_escape") == known:
                return path, f"{value!r} {why}"
        return path, f"{value!r} is not written as {_name(path)} is"
    if any(getattr(part, "pattern", "") == DURATION for part in _parts(shape)):
        return path, f"{value!r} {_PATTERNS[DURATION]}"
    what = re.sub(r"\bobject\b", "mapping", re.sub(r"\barray\b", "list", what))
    return path, f"{_name(path)}: {what[0].lower()}{what[1:]}"


def _unknown(field: str, shape: inspect.Type, path: str) -> str:
    if not re.search(r"\.do\[\d+\]$", path):
        return _no_such(field, _fields(shape), "word")
    verbs = _choices(shape)
    if field in verbs:
        return f"`{field}` stands alone: write `- {field}`"
    return _no_such(field, verbs, "verb")


def _no_such(name: str, known: Iterable[str], noun: str) -> str:
    known = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, known, 1)
    meant = f" (is `{near[0]}` meant?)" if near else ""
    return f"there is no {noun} `{name}`{meant}; there are: {', '.join(known)}"


def _name(path: str) -> str:
    """What the reader calls the thing at this path: its last key."""
    keys = [match[1] for match in _STEP.finditer(path) if match[1]]
    if path.endswith("]"):
        return {"do": "what a step does", "steps": "a step"}.get(keys[-1], f"`{keys[-1]}`")
    return f"`{keys[-1]}`" if keys else "an act"


def _quoted(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _at(path: str, data: object) -> tuple[inspect.Type, object]:
    """The shape that is expected at a path, and what is there."""
    shape: inspect.Type = inspect.type_info(Act)
    for match in _STEP.finditer(path):
        key, index = match[1], match[2]
        if key is not None:
            shape = _field(shape, key)
            data = data.get(key) if isinstance(data, dict) else None
        else:
            shape = _item(shape)
            data = data[int(index)] if isinstance(data, list) else None
    return shape, data


def _parts(shape: inspect.Type) -> list[inspect.Type]:
    while isinstance(shape, inspect.Metadata):
        shape = shape.type
    return list(shape.types) if isinstance(shape, inspect.UnionType) else [shape]


def _field(shape: inspect.Type, name: str) -> inspect.Type:
    for part in _parts(shape):
        if isinstance(part, inspect.StructType):
            for field in part.fields:
                if field.encode_name == name:
                    return field.type
    return inspect.AnyType()


def _item(shape: inspect.Type) -> inspect.Type:
    lists = [part for part in _parts(shape) if isinstance(part, inspect.ListType)]
    return lists[0].item_type if lists else inspect.AnyType()


def _fields(shape: inspect.Type) -> list[str]:
    return [
        field.encode_name
        for part in _parts(shape)
        if isinstance(part, inspect.StructType)
        for field in part.fields
    ]


def _choices(shape: inspect.Type) -> list[str]:
    literals = [part for part in _parts(shape) if isinstance(part, inspect.LiteralType)]
    # Where a plain action or a mapping may stand, the mapping's keys are choices as well.
    return [str(value) for part in literals for value in part.values] + _fields(shape)
