"""The filter form over a list: read from the URL, repeated in the form and in the panel's URL."""

from msgspec import Struct
from msgspec.structs import asdict

from chassis.http.query import with_query
from frontend.web.pages import HttpRequest

# A form field is short, a request's own name the longest; a longer one is not looked for.
_FIELD_CHARS = 255


class Select(Struct, frozen=True):
    """One choice of a filter form; `values` are pairs of value and label."""

    name: str
    label: str
    chosen: str
    values: tuple[tuple[str, str], ...]


def select(name: str, label: str, chosen: str, counted: tuple[tuple[str, int], ...]) -> Select:
    """A choice among the values that are kept now."""
    values = sorted(value for value, _ in counted)
    if chosen and chosen not in values:
        # What was asked for stays asked for, even when nothing of it is kept any more.
        values.insert(0, chosen)
    return Select(name, label, chosen, tuple((value, value) for value in values))


def field(request: HttpRequest, name: str) -> str:
    """One field of the URL's query; empty without it."""
    return str(request.query_params.get(name, "")).strip()[:_FIELD_CHARS]


def filtered_url(path: str, wanted: Struct) -> str:
    """The path with the filters that are set."""
    return with_query(path, **asdict(wanted))
