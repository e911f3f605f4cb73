"""Reads attributes as nearly every sender writes them in JSON: scalars, each of its usual type.

Anything else is `Unusual`, and read field by field (json.py)."""

from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from observatory import limits
from observatory.limits import Clipper
from observatory.otlp.normalize import text_of
from observatory.store.model import Pairs

NO_PAIRS = Raw(b"[]")
# Nineteen digits are below 2**64 whatever they are.
_SAFE_DIGITS = 19
# What is remembered of attributes that came before: at most a megabyte, and what it becomes.
_REMEMBERED, _SHORT_BYTES = 512, 2048


class Unusual(Exception):
    """To be read field by field."""


class Value(Struct, forbid_unknown_fields=True, rename="camel"):
    """A scalar, or nothing. A null is not the same as an absent field."""

    string_value: str | UnsetType = UNSET
    int_value: str | int | UnsetType = UNSET
    bool_value: bool | UnsetType = UNSET
    double_value: float | UnsetType = UNSET


class _Pair(Struct, forbid_unknown_fields=True):
    key: str = ""
    value: Value | None = None


_decode_pairs = msgspec.json.Decoder(list[_Pair]).decode


def pairs_of(raw: Raw, clipper: Clipper) -> Pairs:
    """A list of attributes as text. Raises `Unusual`, or what msgspec raises."""
    content = bytes(raw)
    read = _read if len(content) <= _SHORT_BYTES else _read.__wrapped__
    pairs, clipped = read(content)
    clipper.clipped += clipped
    return pairs


# The same statement and the same route have the same attributes: most spans have those of another.
@lru_cache(_REMEMBERED)
def _read(content: bytes) -> tuple[Pairs, int]:
    """The attributes, and how many texts of them were clipped."""
    found = _decode_pairs(content)
    if len(found) > limits.ATTRIBUTES:
        raise Unusual
    texts = [(pair.key, text(pair.value)) for pair in found]
    clip = Clipper()
    pairs = tuple([(clip.line(key, limits.KEY_CHARS), clip.lines(value)) for key, value in texts])
    return pairs, clip.clipped


def text(value: Value | None) -> str:
    """A value as text; raises `Unusual`."""
    if value is None:
        return ""
    if value.string_value is not UNSET:
        return value.string_value
    if (number := value.int_value) is not UNSET:
        return str(whole(number) if isinstance(number, str) else _small(number))
    if value.bool_value is not UNSET:
        return text_of(value.bool_value)
    return "" if value.double_value is UNSET else text_of(value.double_value)


def _small(number: int) -> int:
    if abs(number) >> 64:
        raise Unusual
    return number


def whole(digits: str) -> int:
    """A number of 64 bits, which JSON has as text; raises `Unusual`."""
    if len(digits) > _SAFE_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise Unusual
    return int(digits)
