"""What the templates are given about lines of log."""

from datetime import datetime

from msgspec import Struct

from frontend.web.labels import Hue, State
from observatory.sources.down import Down


class LogField(Struct, frozen=True):
    """A field of a line as it is shown, and the address of all lines that have it too."""

    text: str
    url: str


class LogRow(Struct, frozen=True):
    """One line of log. `mark` is empty for an ordinary one; `after` is set inside a trace."""

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


class LogsView(Struct, frozen=True):
    """The newest lines that fit, newest first."""

    lines: tuple[LogRow, ...]
    filtered: bool
    kept: int | None
    more: bool
    lost: str
    silent: Down | None
    unsent: str = ""
    elsewhere: str = ""


class LogFilter(Struct, frozen=True):
    """What a visitor asked of the tail of lines."""

    service: str = ""
    level: str = ""
    text: str = ""
    trace: str = ""
