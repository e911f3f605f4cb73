"""Where a page of rows that are numbered, newest first, goes on."""

from chassis.http.problems import invalid_parameter

_FIRST_PAGE = 1 << 62


def read_cursor(cursor: str | None) -> int:
    """The number below which the page begins; raises `Problem` 400 for what we did not write."""
    if cursor is None:
        return _FIRST_PAGE
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise invalid_parameter("cursor", "must be one that this service gave out")
    return int(cursor)
