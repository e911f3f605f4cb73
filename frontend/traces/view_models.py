"""What the templates are given about traces: lists of them, and one as a waterfall."""

from datetime import datetime

from msgspec import Struct

from frontend.logs.view_models import LogRow
from frontend.web.labels import Hue, State
from frontend.web.time_range import TimeRange
from observatory.sources.down import Down

Pairs = tuple[tuple[str, str], ...]


class TraceLine(Struct, frozen=True):
    """One trace in a list. `width` is its share of the longest one shown, as "12.5%"; on a common
    axis it begins at `x`."""

    trace_id: str
    at: datetime
    name: str
    hue: Hue
    hues: tuple[Hue, ...]
    took: str
    slow: bool
    width: str
    spans: int
    errors: int
    state: State
    word: str
    gremlins: tuple[str, ...]
    orders: tuple[str, ...]
    x: str = "0%"
    retries: tuple["TraceLine", ...] = ()


class TracesView(Struct, frozen=True):
    """A list of traces. `since` is set for the list behind a light: customers' requests are its
    rows, and `retries` what the shop did by itself, under its row where that is listed. `kept` is
    how many there are in all, if that is known, `lost` what is missing and `unsent` what never
    came, in words; `elsewhere` is where they go instead of here; `mistake` says what of the filters
    cannot be read."""

    rows: tuple[TraceLine, ...]
    kind: str
    filtered: bool
    kept: int | None
    more: bool
    lost: str
    silent: Down | None
    unsent: str = ""
    elsewhere: str = ""
    mistake: str = ""
    since: datetime | None = None
    retries: tuple[TraceLine, ...] = ()


class Tick(Struct, frozen=True):
    """A mark on the time axis; the SLA's own is dashed, one `late` on it is written to its left,
    and one `near` has no room beside another on a narrow axis."""

    x: str
    label: str
    sla: bool = False
    late: bool = False
    near: bool = False


class Moment(Struct, frozen=True):
    """An event inside a span."""

    name: str
    x: str
    after: str
    gremlin: bool
    attributes: Pairs


class SpanRow(Struct, frozen=True):
    """One bar of the waterfall; `resource` is what its sender says of itself. `x` and `width` are
    shares of the trace's time, as "12.5%"."""

    span_id: str
    parent_id: str
    depth: int
    hue: Hue
    name: str
    kind: str
    x: str
    width: str
    took: str
    alone: str
    after: str
    critical: bool
    failed: bool
    error: str
    gremlins: tuple[str, ...]
    marks: tuple[str, ...]
    attributes: Pairs
    resource: Pairs
    held_back: bool
    events: tuple[Moment, ...]
    lines: tuple[LogRow, ...]


class TraceView(Struct, frozen=True):
    """A whole trace as a waterfall. `live` while more of it may arrive; `unread` says why the
    lines are missing."""

    trace_id: str
    head: TraceLine
    total: str
    ticks: tuple[Tick, ...]
    spans: tuple[SpanRow, ...]
    lines: tuple[LogRow, ...]
    related: tuple[TraceLine, ...]
    hues: tuple[Hue, ...]
    left_out: int
    from_elsewhere: bool
    live: bool
    found: bool = True
    unread: Down | None = None


class NoTrace(Struct, frozen=True):
    """A trace that is not kept here, or not yet."""

    trace_id: str
    kept: int | None
    found: bool = False
    live: bool = True
    elsewhere: str = ""


class TraceFilter(Struct, frozen=True):
    """What a visitor asked of the list of traces, as the form and the tabs repeat it."""

    kind: str = "recent"
    service: str = ""
    route: str = ""
    outcome: str = ""
    gremlin: str = ""
    order: str = ""
    trace: str = ""
    name: str = ""
    attribute: str = ""
    min: str = ""
    since: str = ""
    until: str = ""

    @property
    def time(self) -> TimeRange:
        """Which time it is about."""
        return TimeRange(self.since, self.until)

    @property
    def is_of_light(self) -> bool:
        """Whether a light's link led here: from a moment until now."""
        return self.since.isdecimal() and not self.until
