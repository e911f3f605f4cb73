"""What the templates are given about orders: the list, one order's life, and its axis of time."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from frontend.query_results import AttemptRecord, OrderRecord
from frontend.traces.view_models import Tick, TraceLine
from frontend.web.labels import State
from observatory.sources.down import Down


class OrderRow(Struct, frozen=True):
    """One line of the recent orders; `latency_ms` is None while the order is open."""

    order: OrderRecord
    state: State
    word: str
    explanation: str
    latency_ms: int | None


class OrdersView(Struct, frozen=True):
    """The recent orders, newest first, with who placed each where that differs."""

    rows: tuple[OrderRow, ...]
    more: bool = False
    shows_owner: bool = False


class OrderStep(Struct, frozen=True):
    """One state an order was in, entered `after_ms`, confirmed `times` until `last_ms`; with the
    traces that entered and last confirmed it."""

    at: datetime
    after_ms: int
    state: State
    word: str
    explanation: str
    trace_id: str
    last_trace_id: str
    times: int
    last_ms: int


class AttemptRow(Struct, frozen=True):
    """One try at the payment provider."""

    attempt: AttemptRecord
    state: State
    word: str


class StateLabel(Struct, frozen=True):
    """How the stock or the money of an order stands."""

    state: State
    word: str


class StoryView(Struct, frozen=True):
    """An order's whole life."""

    row: OrderRow
    steps: tuple[OrderStep, ...]
    reservation: StateLabel
    payment: StateLabel
    attempts: tuple[AttemptRow, ...]
    cancellable: bool
    settled: bool
    gone: frozenset[str]


class Piece(Struct, frozen=True):
    """A part of a lane; `x` and `width` are shares of the axis, as "12.5%", `state` its class."""

    x: str
    width: str
    state: str
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
    set when the order cannot be read; `elsewhere` is where traces go instead of here."""

    rows: tuple[TraceLine, ...]
    total: str
    lanes: tuple[LifeLane, ...] = ()
    ticks: tuple[Tick, ...] = ()
    missing: Down | None = None
    elsewhere: str = ""
