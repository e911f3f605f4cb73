"""The Idempotency-Key header: what counts as one, and what makes two requests the same."""

import hashlib
import re

import msgspec

from chassis.http.asgi import Scope
from chassis.http.problems import Problem

# 16 characters make accidental reuse unlikely; 255 is what intermediaries carry.
_KEY = re.compile(rb"[\x21-\x7e]{16,255}")
_HELP = {"Link": '</schema>; rel="describedby"'}


def key_of(scope: Scope, *, required: bool) -> str | None:
    """The key, or None where it is absent and optional. Raises `Problem` 400."""
    found = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not found:
        if not required:
            return None
        raise Problem(
            400, "idempotency-key-missing", "Send an Idempotency-Key header", headers=_HELP
        )
    if len(found) > 1 or not _KEY.fullmatch(found[0]):
        raise Problem(
            400, "idempotency-key-invalid",
            "An Idempotency-Key is one header of 16 to 255 visible ASCII characters",
            headers=_HELP,
        )  # fmt: skip
    return bytes(found[0]).decode("ascii")


def request_hash(method: str, route: str, caller: str, command: msgspec.Struct) -> bytes:
    """SHA-256 of what the request means: never of headers, spelling or time."""
    meaning = msgspec.json.encode([method, route, caller, command], order="sorted")
    return hashlib.sha256(meaning).digest()


def reused() -> Problem:
    """The same key with another payload; the original stays as it is."""
    return Problem(
        422, "idempotency-key-reused", "This Idempotency-Key was used for another request",
        headers=_HELP,
    )  # fmt: skip


def in_progress() -> Problem:
    """The first request with this key is still being worked on."""
    return Problem(
        409, "idempotency-in-progress", "The first request with this key is still running",
        retryable=True, headers={"Retry-After": "1"},
    )  # fmt: skip
