"""What the relay answers on the wire."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct


class EventView(Struct, frozen=True, kw_only=True):
    """One event. `position` and `confirmed_at` are null while it waits to be published."""

    event_id: UUID
    type: str
    source: str
    aggregate: str
    aggregate_id: str
    aggregate_seq: int
    at: datetime
    trace_id: str | None
    position: int | None
    confirmed_at: datetime | None
    data: dict[str, Any]


class EventPage(Struct, frozen=True):
    """Newest first: those without a position, then the highest position. `next` is the cursor of
    the page after, null on the last."""

    events: list[EventView]
    next: str | None


class ConsumerLag(Struct, frozen=True, kw_only=True):
    """How far one consumer is. Up to position `consumed` every event it takes has arrived."""

    consumer: str
    is_ordered: bool
    consumed: int
    events: int
    oldest_s: float


class LagView(Struct, frozen=True, kw_only=True):
    """What is still on its way. `unpublished` are committed and not confirmed by the transport."""

    transport: Literal["postgres", "rabbitmq"]
    leader: str | None
    since: datetime | None
    leads_here: bool
    trouble: str
    position: int
    unpublished: int
    oldest_unpublished_at: datetime | None
    consumers: list[ConsumerLag]


class ParkedView(Struct, frozen=True, kw_only=True):
    """An event that was put aside: it failed, or it waits for an earlier one of its aggregate."""

    consumer: str
    event_id: UUID
    kind: Literal["failed", "waiting"]
    reason: str
    type: str
    aggregate: str
    aggregate_id: str
    aggregate_seq: int
    at: datetime
    retry_at: datetime | None
    message: str


class ParkedList(Struct, frozen=True):
    """The oldest first, at most 200."""

    parked: list[ParkedView]


class Gap(Struct, frozen=True, kw_only=True):
    """An aggregate whose events are not all where they should be, and how many are where. `last` is
    its highest sequence; `consumed` of the `wanted` by consumer. `fault` says what is wrong with
    it, and is empty while its events are only on their way."""

    aggregate: str
    aggregate_id: str
    last: int
    committed: int
    positioned: int
    confirmed: int
    consumed: dict[str, int]
    wanted: dict[str, int] = {}
    fault: str = ""


class GaplessProof(Struct, frozen=True, kw_only=True):
    """Whether committed = positioned = confirmed = consumed, per aggregate; what differs is in
    `gaps` (at most 50 of `aggregates_with_gaps`, those with a fault first). `is_gapless` also says
    that positions are 1, 2, … . `wanted` is how many of the committed events each consumer takes:
    not every one takes all. `is_at_fault`: an event is missing, out of order or one too many, which
    no waiting mends."""

    is_gapless: bool
    is_at_fault: bool = False
    aggregates: int
    aggregates_with_gaps: int
    aggregates_at_fault: int = 0
    committed: int
    positioned: int
    confirmed: int
    consumed: dict[str, int]
    gaps: list[Gap]
    wanted: dict[str, int] = {}
