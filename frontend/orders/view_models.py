"""What the templates are given about an order on one axis of time: lanes, then its traces."""

from typing import Literal

from msgspec import Struct

from frontend.overview.view_models import State
from frontend.traces.view_models import Tick, TraceLine
from observatory.sources.down import Down


class Piece(Struct, frozen=True):
    """A part of a lane; `x` and `width` are shares of the axis, as "12.5%"."""

    x: str
    width: str
    state: State | Literal["gremlin"]
    title: str


class LifeLane(Struct, frozen=True):
    """One thing over time: the order's state, its stock, its money, the faults it met. `word` is
    how it stands at the end."""

    label: str
    state: State | Literal["gremlin"]
    word: str
    pieces: tuple[Piece, ...]


class OrderTraces(Struct, frozen=True):
    """All that is known about one order on one time axis of `total`, oldest first. `missing` is
    set when the order book cannot be read; `elsewhere` is where traces go instead of here."""

    rows: tuple[TraceLine, ...]
    total: str
    lanes: tuple[LifeLane, ...] = ()
    ticks: tuple[Tick, ...] = ()
    missing: Down | None = None
    elsewhere: str = ""
