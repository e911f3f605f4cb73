"""What the templates are given about lines of log."""

from datetime import datetime

from msgspec import Struct

from frontend.web.labels import Hue, State
from frontend.web.time_range import TimeRange
from observatory.sources.down import Down


class LogField(Struct, frozen=True):
    """A field of a line as it is shown, and the address of all lines that have it too."""

    text: str
    url: str


class LogRow(Struct, frozen=True):
    """One line of log. `mark` is empty for an ordinary one; `after` is set inside a trace.
    `around_url` leads to the lines around it; `is_middle` is the one they are around."""

    sequence: int
    at: datetime
    clock: str
    after: str
    level: str
    mark: State | None
    hue: Hue
    message: str
    fields: tuple["LogField", ...]
    more: str
    gremlin: str
    exception: str
    trace_id: str
    span_id: str
    around_url: str
    is_middle: bool


class LogsView(Struct, frozen=True):
    """The newest lines that fit, newest first; those around `middle` where that is set. `mistake`
    says what of the filters cannot be read."""

    lines: tuple[LogRow, ...]
    filtered: bool
    kept: int | None
    more: bool
    lost: str
    silent: Down | None
    unsent: str = ""
    elsewhere: str = ""
    mistake: str = ""
    middle: datetime | None = None


class LogFilter(Struct, frozen=True):
    """What a visitor asked of the tail of lines."""

    service: str = ""
    level: str = ""
    text: str = ""
    trace: str = ""
    since: str = ""
    until: str = ""
    around: str = ""

    @property
    def time(self) -> TimeRange:
        """Which time it is about."""
        return TimeRange(self.since, self.until)
