"""What the dashboard's pages of events need: what happened, what waits, what was put aside, and
another try."""

from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

from frontend.events.actions import EventActions
from frontend.events.panels import EventSources
from frontend.events.view_models import (
    ChainLine,
    EventFilter,
    EventsView,
    GaplessView,
    ParkedEvents,
    WebhooksView,
)
from frontend.web.answered import answered
from services.events.audit_consumer.contract import AuditLine, AuditPage, ChainView
from services.events.relay.client import EventsClient
from services.events.relay.contract import (
    ConsumerLag,
    EventPage,
    EventView,
    Gap,
    GaplessProof,
    LagView,
    ParkedList,
    ParkedView,
)
from services.events.webhook_sender.client import WebhooksClient
from services.events.webhook_sender.contract import (
    DeliveryPage,
    DeliveryView,
    EndpointList,
    EndpointView,
)
from tests.contracts.matching import of_state, perhaps, shaped
from tests.contracts.need import At, Need
from tests.contracts.needs.pages import ACTOR, NOW, OPERATOR, state_of
from topology import NAMES

PLACED = "order.created"
# What is no event has its id from its bytes.
CONSUMER, NO_EVENT = NAMES["audit_consumer"], b"x"
PARKED = UUID(bytes=sha256(NO_EVENT).digest()[:16])
_ROOMS = ("relay", "audit_consumer", "webhook_sender")
_ROWS = f"limit=30&type={PLACED}"
_FACT: dict[str, Any] = {
    "event_id": UUID(int=8), "type": PLACED, "source": "/order-service", "aggregate": "order",
    "aggregate_id": "7", "aggregate_seq": 1, "trace_id": "ab" * 16, "data": {},
}  # fmt: skip
Look = Callable[[EventSources], Awaitable[object]]


def _see(
    what: str, state: str, look: Look, known: type, path: str, answer: Any, query: str = ""
) -> Need:
    async def ask(at: At) -> type:
        return type(await look(EventSources(state_of(at), dict.fromkeys(_ROOMS, at.peer))))

    return Need(what, state, ask, known, "GET", path, 200, shaped(answer), query=query)


def _again(
    what: str, state: str, path: Any, retry: Callable[[EventActions], Awaitable[Any]]
) -> Need:
    async def ask(at: At) -> str:
        clients = EventsClient(at.peer), WebhooksClient(at.peer)
        return (await retry(EventActions(*clients))).toast.state

    return Need(what, state, ask, "good", "POST", path, 202, headers=ACTOR)


def of_relay() -> Iterator[Need]:
    """What is on its way, and what is not."""
    event = EventView(**_FACT, at=NOW, position=1, confirmed_at=NOW)
    happened = "events were published"
    yield _see("see events", happened, lambda it: it.tail(EventFilter(type=PLACED)), EventsView,
               "/events", EventPage([event], None), _ROWS)  # fmt: skip
    yield _lag(happened)
    parked = ParkedView(
        consumer=CONSUMER, event_id=PARKED, kind="failed", reason="is no event", type=PLACED,
        aggregate="order", aggregate_id="7", aggregate_seq=1, at=NOW, retry_at=None, message="x",
    )  # fmt: skip
    aside = "an event was put aside"
    yield _see("see what was put aside", aside, EventSources.parked, ParkedEvents,
               "/events/parked", ParkedList([parked]))  # fmt: skip
    counts = {"last": 2, "committed": 2, "positioned": 2, "confirmed": 1, "consumed": {CONSUMER: 1}}
    gap = Gap(aggregate="order", aggregate_id="7", **counts)
    proof = GaplessProof(
        is_gapless=True, aggregates=5, aggregates_with_gaps=1, committed=10, positioned=10,
        confirmed=9, consumed={CONSUMER: 9}, gaps=[], wanted={CONSUMER: 9},
    )  # fmt: skip
    need = _see("see that nothing is missing", happened, EventSources.gapless, GaplessView,
                "/events/verify", proof)  # fmt: skip
    yield need._replace(answer={**need.answer, "gaps": perhaps(shaped(gap))})
    form = {"consumer": CONSUMER, "event_id": str(PARKED)}
    yield _again("try an event again", aside, f"/events/parked/{CONSUMER}/{PARKED}/replay",
                 lambda it: it.replay(form, OPERATOR))  # fmt: skip


def _lag(state: str) -> Need:
    async def ask(at: At) -> type:
        return type(answered(await EventsClient(at.peer).lag(), LagView, ""))

    lag = LagView(
        transport="postgres", leader="here:1", since=NOW, leads_here=True, trouble="", position=9,
        unpublished=0, oldest_unpublished_at=None,
        consumers=[
            ConsumerLag(consumer=CONSUMER, is_ordered=True, consumed=1, events=0, oldest_s=0.5)
        ],
    )  # fmt: skip
    return Need(
        "see how far events are", state, ask, LagView, "GET", "/events/lag", 200, shaped(lag)
    )


def of_audit_consumer() -> Iterator[Need]:
    """What was written down, and that it is as it was written."""
    line = AuditLine(n=1, **_FACT, happened_at=NOW, at=NOW, subject="anonymous", hash="cd" * 32)
    written = "events were written down"
    yield _see("see what was written down", written, lambda it: it.audit(EventFilter(type=PLACED)),
               EventsView, "/audit", AuditPage([line], None), _ROWS)  # fmt: skip
    yield _see("see that it is as it was written", written, EventSources.chain, ChainLine,
               "/audit/chain", ChainView(is_intact=True, lines=1, broken_at=None))  # fmt: skip


def of_webhook_sender() -> Iterator[Need]:
    """Where merchants want their events, what is dead, and another try."""
    dead = "a webhook is dead"
    endpoint = EndpointView(
        endpoint_id=UUID(int=8), merchant_id="m1", url="http://x.y/z", types=["payment.failed"],
        created_at=NOW, disabled_at=None, disabled_because=None, waiting=1, failing=0,
        failing_because=None, sent=2, dead=1,
    )  # fmt: skip
    delivery = DeliveryView(
        delivery_id=5, endpoint_id=UUID(int=8), merchant_id="m1", url="http://x.y/z",
        is_disabled=False, event_id=UUID(int=9), payment_id=UUID(int=7), type="payment.failed",
        state="DEAD", attempts=31, next_attempt_at=None, last_status=500, last_reason="no",
        created_at=NOW, ended_at=NOW, trace_id=None,
    )  # fmt: skip
    yield _see("list dead webhooks", dead, EventSources.webhooks, WebhooksView, "/deliveries",
               DeliveryPage([delivery], None), "state=DEAD&limit=30")  # fmt: skip
    yield _see("list endpoints", dead, EventSources.webhooks, WebhooksView, "/endpoints",
               EndpointList([endpoint]))  # fmt: skip
    path = of_state("/deliveries/${delivery_id}/replay", "/deliveries/5/replay")
    yield _again("try a webhook again", dead, path,
                 lambda it: it.replay_webhook({"delivery_id": "5"}, OPERATOR))  # fmt: skip
