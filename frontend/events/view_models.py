"""What the templates are given about events."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from frontend.web.labels import Hue, State


class EventFilter(Struct, frozen=True):
    """What was asked of the tail or of the audit log: `search` is the id of what an event is about,
    of the event itself, or in the audit log whose doing it was; `cursor` is where the page
    begins."""

    type: str = ""
    search: str = ""
    cursor: str = ""


class About(Struct, frozen=True):
    """What an event is about; without a page of its own, `url` is empty."""

    label: str
    name: str
    url: str = ""


class EventRow(Struct, frozen=True):
    """One event; `took_ms` is from its commit to the transport's confirm, None while it waits.
    `who` did it, or whose it is: the audit log alone says that."""

    event_id: UUID
    at: datetime
    type: str
    state: State
    about: About
    seq: int
    what: str
    source: Hue
    trace_id: str
    position: int | None = None
    took_ms: int | None = None
    hash: str = ""
    who: str = ""


class EventsView(Struct, frozen=True):
    """A page of events, newest first. `older` and `newest` are addresses, empty where there is
    nothing else."""

    rows: tuple[EventRow, ...]
    filtered: bool
    older: str = ""
    newest: str = ""


class Station(Struct, frozen=True):
    """A place that events pass, left to right, with its own figure and what it says of it."""

    key: str
    label: str
    state: State
    figure: str
    word: str
    note: str = ""


class FlowView(Struct, frozen=True):
    """The way of an event: the outboxes, the relay, the bus, and the consumers side by side."""

    outboxes: Station
    relay: Station
    bus: Station
    consumers: tuple[Station, ...]


class ParkedRow(Struct, frozen=True):
    """One event that was put aside; `retried` says that another try was asked for."""

    consumer: str
    event_id: UUID
    is_waiting: bool
    reason: str
    type: str
    about: About
    seq: int
    at: datetime
    retried: bool
    message: str


class ParkedEvents(Struct, frozen=True):
    """What was put aside, the oldest first."""

    rows: tuple[ParkedRow, ...]


class EndpointRow(Struct, frozen=True):
    """An address that a merchant named, and how many events were brought there, or not."""

    endpoint_id: UUID
    merchant: str
    url: str
    types: str
    state: State
    word: str
    sent: int
    waiting: int
    dead: int


class DeliveryRow(Struct, frozen=True):
    """An event that could not be brought to its endpoint, and why."""

    delivery_id: int
    type: str
    about: About
    merchant: str
    url: str
    reason: str
    attempts: int
    at: datetime


class WebhooksView(Struct, frozen=True):
    """Endpoints and dead deliveries, each the newest first. A count of `most_counted` means as many
    or more."""

    endpoints: tuple[EndpointRow, ...]
    dead: tuple[DeliveryRow, ...]
    most_counted: int


class GapRow(Struct, frozen=True):
    """An aggregate whose events are not all where they should be, by place; None where a consumer
    takes none of them."""

    about: About
    counts: tuple[int | None, ...]


class GaplessView(Struct, frozen=True):
    """The gapless proof: how many events were counted at each place, which must be equal.
    `partial` are consumers of some types: (name, taken, how many there are of these)."""

    state: State
    headline: str
    aggregates: int
    places: tuple[tuple[str, int], ...]
    partial: tuple[tuple[str, int, int], ...]
    gaps: tuple[GapRow, ...]
    more: int
    checked_at: datetime


class ChainLine(Struct, frozen=True):
    """Whether the audit log is as it was written."""

    state: State
    word: str
