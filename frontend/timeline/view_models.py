"""What the templates are given about incidents."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from frontend.web.labels import State


class LaneBar(Struct, frozen=True):
    """A piece of a lane, in thousandths of its width."""

    start: int
    width: int


class Lane(Struct, frozen=True):
    """One line of the small time bar; `note` is its number in words."""

    label: str
    state: State | Literal["gremlin"]
    bars: tuple[LaneBar, ...]
    note: str


class MeasuredTime(Struct, frozen=True):
    """One measured number; `value` is empty where there is none."""

    label: str
    value: str
    state: State


class IncidentView(Struct, frozen=True):
    """One row of the timeline."""

    id: str
    title: str
    phase: str
    state: State | Literal["gremlin"]
    word: str
    actor: str
    at: datetime
    many: bool
    figures: tuple[MeasuredTime, ...]
    lanes: tuple[Lane, ...]
    length: str
    sentences: tuple[str, ...]


class TimelineView(Struct, frozen=True):
    """The incidents, newest first; `since` is when the dashboard began to watch."""

    rows: tuple[IncidentView, ...]


class ReactionView(Struct, frozen=True):
    """The last measured reaction in one line; empty while there is none."""

    text: str = ""
    detail: str = ""
