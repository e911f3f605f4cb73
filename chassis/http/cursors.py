"""Where the next page of a list begins, as text that only the list itself reads.

A cursor names a place that is no secret, and whoever shows one sees only what is theirs. So its
digest has no key: it finds what was changed, cut short, or comes from another list.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec

from chassis.http.problems import Problem, invalid_parameter

T = TypeVar("T")
_DIGEST_BYTES = 6


def write_cursor(of: str, place: object) -> str:
    """The cursor of a place, which is written as JSON, in the list of this name."""
    raw = msgspec.json.encode(place)
    return _text(_digest(of, raw) + raw)


def read_cursor(of: str, cursor: str, shape: type[T]) -> T:
    """The place that `write_cursor` wrote for this list; raises `Problem` 400 for anything else."""
    try:
        found = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, raw = found[:_DIGEST_BYTES], found[_DIGEST_BYTES:]
        # Written anew, because a last letter has bits that mean nothing.
        if digest != _digest(of, raw) or cursor != _text(found):
            raise not_ours()
        return msgspec.json.decode(raw, type=shape)
    except (ValueError, msgspec.MsgspecError):
        raise not_ours() from None


def not_ours() -> Problem:
    """What is answered to a cursor that this service did not give out."""
    return invalid_parameter("cursor", "must be one that this service gave out")


def _text(written: bytes) -> str:
    return urlsafe_b64encode(written).decode().rstrip("=")


def _digest(of: str, raw: bytes) -> bytes:
    return hashlib.blake2s(of.encode() + b"\0" + raw, digest_size=_DIGEST_BYTES).digest()
