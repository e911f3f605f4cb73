"""The time that a page is about, as its address has it: the same on charts, traces and logs."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from msgspec import Struct

from frontend.web.formatting import read_in_zone

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LENGTH = re.compile(r"([0-9]{1,6})([smhd])")
# Seconds since the epoch, as links of lights and charts have them.
_EPOCH = re.compile(r"[0-9]{9,10}(\.[0-9]{1,3})?")
HOW = (
    "must be a length of time before now, such as 15m, 2h or 1d, or a moment, such as"
    " 2026-11-28T14:30 or seconds since 1970"
)


class BadRange(ValueError):
    """A time that cannot be read: which `field`, and `why`."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field} {why}")
        self.field, self.why = field, why


def clean_query(given: Iterable[tuple[str, str]]) -> str:
    """An address's fields without the empty ones, and with moments that every reader takes alike,
    whatever the zone."""
    return urlencode([(name, _alike(name, value)) for name, value in given if value.strip()])


def _alike(name: str, value: str) -> str:
    if name not in TimeRange.__struct_fields__ or "T" not in value:
        return value
    try:
        return f"{read_in_zone(value).timestamp():.0f}"
    except (ValueError, OverflowError):
        return value


class TimeRange(Struct, frozen=True):
    """From `since` to `until`, each as it was written, or empty for no bound."""

    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "TimeRange":
        """The one that an address's fields have."""
        return cls(*(str(given.get(name, "")).strip()[:40] for name in cls.__struct_fields__))

    @property
    def query(self) -> str:
        """What an address of the same time ends with: "?since=15m", or nothing."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        written = urlencode({name: value for name, value in given.items() if value})
        return f"?{written}" if written else ""

    def bounds(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Both ends, None where there is no bound; raises `BadRange`."""
        since, until = _moment("since", self.since, now), _moment("until", self.until, now)
        if since is not None and until is not None and since >= until:
            raise BadRange("since", "must be before until")
        return since, until


def _moment(name: str, text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        if found := _LENGTH.fullmatch(text):
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), now.tzinfo)
        moment = read_in_zone(text)
        # Whatever comes of it is counted in nanoseconds.
        moment.timestamp()
    except (ValueError, OverflowError):
        raise BadRange(name, HOW) from None
    return moment
