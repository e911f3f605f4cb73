"""Reads single fields of OTLP in JSON and says what is wrong with one that does not fit."""

import base64
import binascii
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from observatory import limits
from observatory.limits import Clipper
from observatory.otlp.normalize import Malformed, Plain

_UINT64 = 1 << 64
_DIGITS = 24


def value_of(it: dict[str, Any], name: str) -> Any:
    """The field called `name`, in lowerCamelCase or in the snake_case of the protobuf files."""
    found = it.get(name)
    return it.get(_snake(name)) if found is None else found


@lru_cache(maxsize=64)
def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def text(it: dict[str, Any], name: str) -> str:
    """A string; empty when absent, as in protobuf."""
    found = value_of(it, name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Malformed(f"{name} is no text")
    return found


def integer(it: dict[str, Any], name: str, words: dict[str, int] | None = None) -> int:
    """A whole number, given as one, as a string of digits, or as one of the enumeration's words."""
    found = value_of(it, name)
    if found is None:
        return 0
    if words and isinstance(found, str) and found in words:
        return words[found]
    return _whole(found, name)


def mapping(it: dict[str, Any], name: str) -> dict[str, Any]:
    """An object; empty when absent."""
    found = value_of(it, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{name} is no object")
    return found


def objects(it: dict[str, Any], name: str, limit: int, scissors: Clipper) -> list[dict[str, Any]]:
    """A list of objects, its first `limit`."""
    found = value_of(it, name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found[:limit]):
        raise Malformed(f"{name} is no list of objects")
    scissors.count(len(found), limit)
    return found[:limit]


def attributes_of(found: Any) -> Iterator[tuple[str, Plain]]:
    """Keys with their plain values, one after the other, so that only wanted ones are read."""
    if found is None:
        return
    if not isinstance(found, list):
        raise Malformed("attributes are no list")
    for pair in found:
        if not isinstance(pair, dict) or not isinstance(pair.get("key", ""), str):
            raise Malformed("an attribute is no key with a value")
        yield pair.get("key", ""), plain(pair.get("value"))


def plain(value: Any, depth: int = 0) -> Plain:
    """The value inside an AnyValue; a list or a map only to a bounded depth and width."""
    if value is None or value == {}:
        return ""
    if not isinstance(value, dict):
        raise Malformed("a value has no type")
    if (found := value_of(value, "stringValue")) is not None:
        if not isinstance(found, str):
            raise Malformed("stringValue is no text")
        return found
    if (found := value_of(value, "intValue")) is not None:
        return _whole(found, "intValue")
    if (found := value_of(value, "boolValue")) is not None:
        return bool(found)
    if (found := value_of(value, "doubleValue")) is not None:
        return _double(found)
    if (found := value_of(value, "bytesValue")) is not None:
        return _bytes(found)
    return _nested(value, depth)


def _nested(value: dict[str, Any], depth: int) -> Plain:
    if depth >= limits.NESTING:
        return "\u2026"
    if (found := value_of(value, "arrayValue")) is not None:
        values = found.get("values") if isinstance(found, dict) else found
        if not isinstance(values, list | None):
            raise Malformed("arrayValue is no list")
        return [plain(inner, depth + 1) for inner in (values or [])[: limits.WIDTH]]
    found = value_of(value, "kvlistValue")
    values = found.get("values") if isinstance(found, dict) else found
    if not isinstance(values, list) or not all(isinstance(pair, dict) for pair in values):
        raise Malformed("a value is of no known type")
    return {
        str(pair.get("key", "")): plain(pair.get("value"), depth + 1)
        for pair in values[: limits.WIDTH]
    }


def _whole(found: object, name: str) -> int:
    number = _integer(found)
    if number is None:
        raise Malformed(f"{name} is no whole number")
    if not -_UINT64 < number < _UINT64:
        raise Malformed(f"{name} does not fit into 64 bits")
    return number


def _integer(found: object) -> int | None:
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, float):
        return int(found) if found.is_integer() else None
    if not isinstance(found, str) or len(found) > _DIGITS:
        return None
    digits = found.removeprefix("-")
    return int(found) if digits.isascii() and digits.isdigit() else None


def _double(found: object) -> Plain:
    # Protobuf's JSON spells what JSON has no number for: "NaN", "Infinity", "-Infinity".
    if isinstance(found, str) and len(found) <= _DIGITS:
        return found
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Malformed("doubleValue is no number")
    return float(found)


def _bytes(found: object) -> Plain:
    if not isinstance(found, str):
        raise Malformed("bytesValue is no text")
    # Protobuf's JSON takes both alphabets, with or without padding.
    digits = found[: 4 * limits.VALUE_CHARS].rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise Malformed("bytesValue is no base64") from None
