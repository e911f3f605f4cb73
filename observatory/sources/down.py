"""What a source returns when it cannot be read."""

from datetime import datetime

from msgspec import Struct


class Down(Struct, frozen=True):
    """In place of the data: why, since when, and what still works."""

    reason: str
    since: datetime
    still: str = ""
