"""The query of a URL, as clients and pages write it."""

from urllib.parse import urlencode


def with_query(path: str, /, **filters: object) -> str:
    """The path with the filters that are set: neither empty, nor zero, nor None."""
    given = urlencode({name: value for name, value in filters.items() if value})
    return f"{path}?{given}" if given else path
