"""From what the relay and the audit log say to what is shown of it; pure."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from frontend.events.view_models import (
    About,
    ChainLine,
    DeliveryRow,
    EndpointRow,
    EventFilter,
    EventRow,
    EventsView,
    FlowView,
    GaplessView,
    GapRow,
    ParkedEvents,
    ParkedRow,
    Station,
    WebhooksView,
)
from frontend.web.filters import filtered_url
from frontend.web.formatting import count, money, short, span
from frontend.web.labels import State, hue_of
from observatory.sources.down import Down
from observatory.sources.event_progress import LATE_S, EventProgress
from services.events.audit_consumer.contract import AuditLine, AuditPage, ChainView
from services.events.relay.contract import (
    EventPage,
    EventView,
    GaplessProof,
    LagView,
    ParkedList,
    ParkedView,
)
from services.events.webhook_sender.contract import (
    MOST_COUNTED,
    DeliveryPage,
    DeliveryView,
    EndpointList,
    EndpointView,
)

_STATES: dict[str, State] = {
    "order.confirmed": "good",
    "order.failed": "refused",
    "payment.completed": "good",
    "payment.failed": "refused",
    "stock.committed": "good",
    "stock.released": "refused",
    "refund.created": "refused",
}
_BUSES = {"postgres": "PostgreSQL", "rabbitmq": "RabbitMQ"}
_PLAIN: State = "none"


def tail(page: EventPage, wanted: EventFilter) -> EventsView:
    """A page of the live tail."""
    return _events("/events", tuple(map(_event, page.events)), page.next, wanted)


def audit(page: AuditPage, wanted: EventFilter) -> EventsView:
    """A page of the audit log."""
    return _events("/events/audit", tuple(map(_line, page.lines)), page.next, wanted)


def _events(
    url: str, rows: tuple[EventRow, ...], after: str | None, wanted: EventFilter
) -> EventsView:
    return EventsView(
        rows,
        filtered=bool(wanted.type or wanted.search),
        older=filtered_url(url, replace(wanted, cursor=after)) if after else "",
        newest=filtered_url(url, replace(wanted, cursor="")) if wanted.cursor else "",
    )


def _event(event: EventView) -> EventRow:
    took_ms = None
    if event.confirmed_at is not None:
        took_ms = max(0, round((event.confirmed_at - event.at).total_seconds() * 1000))
    return EventRow(
        event_id=event.event_id,
        at=event.at,
        type=event.type,
        state=_STATES.get(event.type, _PLAIN),
        about=about(event.aggregate, event.aggregate_id),
        seq=event.aggregate_seq,
        what=what(event.data),
        source=hue_of(event.source),
        trace_id=event.trace_id or "",
        position=event.position,
        took_ms=took_ms,
    )


def _line(line: AuditLine) -> EventRow:
    return EventRow(
        event_id=line.event_id,
        at=line.happened_at,
        type=line.type,
        state=_STATES.get(line.type, _PLAIN),
        about=about(line.aggregate, line.aggregate_id),
        seq=line.aggregate_seq,
        what=what(line.data | {"actor": None}),
        who=line.subject or "",
        source=hue_of(line.source.removeprefix("/")),
        trace_id=line.trace_id or "",
        position=line.n,
        hash=line.hash,
    )


def about(aggregate: str, name: str) -> About:
    """What an event is about, with the page that tells its story. Goods are an order's."""
    label = f"{aggregate} {short(name)}"
    match aggregate:
        case "order" | "stock":
            return About(label, name, f"/orders/{name}")
        case "payment":
            return About(label, name, f"/payments/{name}")
        case "gremlin":
            return About(name, name, "/gremlins")
    return About(label, name)


def what(data: dict[str, Any]) -> str:
    """What an event says, in a few words."""
    parts = []
    if isinstance(quantity := data.get("quantity"), int):
        parts.append(f"{quantity} × {data.get('product_id', '')}")  # noqa: RUF001
    if isinstance(minor := data.get("amount_minor"), int):
        parts.append(money(minor, str(data.get("currency", ""))))
    parts += [
        str(data[key]) for key in ("reason", "decline_code", "kind", "actor") if data.get(key)
    ]
    return ", ".join(parts)


def flow(found: EventProgress | Down, lag: LagView | Down) -> FlowView | Down:
    """Where events are, from the database's own records; the relay adds what only it knows."""
    if isinstance(found, Down):
        return found
    waits = found.unpublished
    return FlowView(
        outboxes=Station(
            "outboxes",
            "Outboxes",
            _lateness(waits, found.oldest_s),
            count(waits),
            "waiting to be published" if waits else "nothing waits",
            f"the oldest for {span(found.oldest_s * 1000)}" if waits else "",
        ),
        relay=_relay(lag),
        bus=Station(
            "bus",
            _BUSES[lag.transport] if not isinstance(lag, Down) else "Bus",
            "good" if found.position else _PLAIN,
            count(found.position),
            "events in one order",
        ),
        consumers=tuple(
            Station(
                each.consumer,
                hue_of(each.consumer).label,
                _lateness(each.behind, each.oldest_s),
                count(each.behind),
                "behind" if each.behind else "up to date",
                "keeps the order" if each.is_ordered else "in any order",
            )
            for each in found.consumers
        ),
    )


def _relay(lag: LagView | Down) -> Station:
    if isinstance(lag, Down):
        return Station("relay", "Relay", "failed", "gone", lag.reason, "Events wait; none is lost.")
    if lag.trouble:
        word = "the bus takes nothing"
        return Station("relay", "Relay", "degraded", "waits", word, lag.trouble)
    if not lag.leader:
        return Station("relay", "Relay", "failed", "idle", "nobody leads")
    return Station("relay", "Relay", "good", "leads", lag.leader)


def _lateness(events: int, oldest_s: int) -> State:
    return "degraded" if events and oldest_s > LATE_S else "good"


def parked(found: ParkedList) -> ParkedEvents:
    """What was put aside."""
    return ParkedEvents(tuple(map(_parked, found.parked)))


def _parked(found: ParkedView) -> ParkedRow:
    return ParkedRow(
        consumer=found.consumer,
        event_id=found.event_id,
        is_waiting=found.kind == "waiting",
        reason=found.reason,
        type=found.type,
        about=about(found.aggregate, found.aggregate_id),
        seq=found.aggregate_seq,
        at=found.at,
        retried=found.retry_at is not None,
        message=found.message,
    )


def webhooks(endpoints: EndpointList, dead: DeliveryPage) -> WebhooksView:
    """Where merchants want their events, and what could not be brought there."""
    return WebhooksView(
        tuple(map(_endpoint, endpoints.endpoints)),
        # Of a disabled endpoint nothing can be tried again.
        tuple(_delivery(each) for each in dead.deliveries if not each.is_disabled),
        MOST_COUNTED,
    )


def _endpoint(found: EndpointView) -> EndpointRow:
    state, word = _endpoint_state(found)
    return EndpointRow(
        endpoint_id=found.endpoint_id,
        merchant=found.merchant_id,
        url=found.url,
        types=", ".join(found.types),
        state=state,
        word=word,
        sent=found.sent,
        waiting=found.waiting,
        dead=found.dead,
    )


def _endpoint_state(found: EndpointView) -> tuple[State, str]:
    """Good is only where something arrived and nothing fails; with what there is to say of it."""
    if found.disabled_at:
        return "none", f"disabled: {found.disabled_because}"
    if found.failing or found.dead:
        state: State = "degraded" if found.sent else "failed"
        return state, f"fails: {found.failing_because}" if found.failing else ""
    return ("good", "") if found.sent else ("none", "nothing was sent yet")


def _delivery(found: DeliveryView) -> DeliveryRow:
    return DeliveryRow(
        delivery_id=found.delivery_id,
        type=found.type,
        about=about("payment", str(found.payment_id)),
        merchant=found.merchant_id,
        url=found.url,
        reason=found.last_reason or "",
        attempts=found.attempts,
        at=found.ended_at or found.created_at,
    )


def gapless(found: GaplessProof, at: datetime) -> GaplessView:
    """Committed = positioned = confirmed = consumed, or which aggregates are on their way."""
    takes = {name: found.wanted.get(name, found.committed) for name in sorted(found.consumed)}
    every = [name for name, wanted in takes.items() if wanted == found.committed]
    some = [name for name in takes if name not in every]
    places = (
        ("committed", found.committed),
        ("positioned", found.positioned),
        ("confirmed", found.confirmed),
        *((hue_of(name).label.lower(), found.consumed[name]) for name in every),
    )
    gaps = tuple(
        GapRow(
            about(each.aggregate, each.aggregate_id),
            (
                each.committed,
                each.positioned,
                each.confirmed,
                *(each.consumed.get(name) for name in (*every, *some)),
            ),
        )
        for each in found.gaps
    )
    state: State = "good"
    headline = "Gapless: every event is where it should be"
    if found.is_at_fault:
        state, headline = "failed", "Events are missing or out of order"
    elif not found.is_gapless:
        state = "degraded"
        headline = f"{count(found.aggregates_with_gaps)} with events on their way"
    return GaplessView(
        state=state,
        headline=headline,
        aggregates=found.aggregates,
        places=places,
        partial=tuple(
            (hue_of(name).label.lower(), found.consumed[name], takes[name]) for name in some
        ),
        gaps=gaps,
        more=found.aggregates_with_gaps - len(gaps),
        checked_at=at,
    )


def chain(found: ChainView) -> ChainLine:
    """The hash chain in one line."""
    if found.is_intact:
        return ChainLine("good", f"The chain of {count(found.lines)} lines is unbroken.")
    return ChainLine("failed", f"The chain is broken at line {found.broken_at}.")
