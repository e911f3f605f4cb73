"""Where a page of rows that are numbered, newest first, goes on."""

from typing import Annotated

from msgspec import Meta

from chassis.http import cursors

_FIRST_PAGE = 1 << 62
# An id or a position in a table of events.
Number = Annotated[int, Meta(ge=0, lt=_FIRST_PAGE)]


def read_cursor(of: str, cursor: str | None) -> int:
    """The number below which the page of this list begins; raises `Problem` 400 for what we did not
    write for it."""
    return _FIRST_PAGE if cursor is None else cursors.read_cursor(of, cursor, Number)
