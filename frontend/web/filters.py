"""The filter form over a list: read from the URL, repeated in the form and in the panel's URL."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from chassis.http.problems import Problem, invalid_parameter, one_of
from chassis.http.query import with_query
from frontend.web.formatting import clock, in_zone, utc_now
from frontend.web.pages import HttpRequest
from frontend.web.time_range import BadRange, TimeRange
from topology import NAMES

T = TypeVar("T", bound=Struct)

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


# How far back a page looks, as its address has it.
_LENGTHS = {
    "": "any time",
    "5m": "last 5 min",
    "15m": "last 15 min",
    "1h": "last hour",
    "6h": "last 6 hours",
    "1d": "last day",
    "7d": "last 7 days",
}


class RangeChoice(Struct, frozen=True):
    """The time of a filter form: a choice of lengths before now, or two moments as a browser's
    fields have them; and the addresses that lead from one to the other."""

    since: Select | None
    begin: str
    end: str
    exact_url: str
    moving_url: str


def range_choice(path: str, wanted: T, time: TimeRange) -> RangeChoice:
    """The choice for a page at `path`, whose fields `wanted` have this time."""
    now = utc_now()
    begin, end = now - timedelta(minutes=15), now
    try:
        since, until = time.bounds(now)
        begin, end = since or begin, until or end
    except BadRange:
        since = None
    lengths = dict(_LENGTHS)
    if time.since not in lengths:
        lengths[time.since] = f"since {clock(since)}" if since else time.since
    moments = {"since": f"{begin.timestamp():.0f}", "until": f"{end.timestamp():.0f}"}
    choice = Select("since", "Time", time.since, tuple(lengths.items()))
    return RangeChoice(
        since=None if time.until else choice,
        begin=f"{in_zone(begin):%Y-%m-%dT%H:%M:%S}",
        end=f"{in_zone(end):%Y-%m-%dT%H:%M:%S}",
        exact_url=filtered_url(path, replace(wanted, **moments)),
        moving_url=filtered_url(path, replace(wanted, since="", until="")),
    )


def bounds_of(time: TimeRange, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Both ends of a time; raises `Problem` (400) for one that cannot be read."""
    try:
        return time.bounds(now)
    except BadRange as error:
        raise invalid_parameter(error.field, error.why) from None


def known_service(name: str, seen: Iterable[str]) -> None:
    """Raise 400 for a service that is none of this shop's and of which nothing was `seen`."""
    if name:
        one_of("service", name, sorted({*NAMES.values(), *seen}))


def mistake_of(problem: Problem) -> str:
    """What is wrong with a field, for the page that it is on."""
    return problem.detail


def filtered_url(path: str, wanted: Struct) -> str:
    """The path with the filters that are not as they are without an address's."""
    usual = asdict(type(wanted)())
    return with_query(
        path, **{name: value for name, value in asdict(wanted).items() if value != usual[name]}
    )
