"""Ids of rows that one process makes and others find."""

import os
import time
from uuid import UUID

_TIME_BITS = 16 + 64
_VERSION = 7 << 76
_VARIANT = 0b10 << 62
_RANDOM = ~((0xF << 76) | (0b11 << 62))


def new_id() -> UUID:
    """An id that sorts by the millisecond it was made in, with 74 random bits after it: UUID
    version 7 (RFC 9562, 5.7), which Python's own `uuid` has from 3.14 on.

    Rows that are written together then stand together in every index with such an id: an order
    touches the newest page of each, however many orders there are. Nothing may rely on the order of
    two ids, since clocks differ; and it tells when its row was made.
    """
    at_ms = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10), "big") & _RANDOM
    return UUID(int=at_ms << _TIME_BITS | _VERSION | _VARIANT | chance)
