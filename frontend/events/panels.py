"""The panels of events: what their URLs ask for, and who answers it."""

import asyncio
import time
from uuid import UUID

from chassis.http.outbound import Peer
from chassis.http.problems import one_of
from frontend.events import presenter
from frontend.events.view_models import (
    ChainLine,
    EventFilter,
    EventsView,
    FlowView,
    GaplessView,
    ParkedEvents,
    WebhooksView,
)
from frontend.live_state import DashboardState
from frontend.web.answered import answered
from frontend.web.filters import Select, field, filtered_url
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest
from frontend.web.panels import Panel
from observatory.sources.down import Down
from services.events.audit_consumer.client import AuditClient
from services.events.audit_consumer.contract import AuditPage, ChainView
from services.events.catalogue import TYPES
from services.events.relay.client import EventsClient
from services.events.relay.contract import EventPage, GaplessProof, LagView, ParkedList
from services.events.webhook_sender.client import WebhooksClient
from services.events.webhook_sender.contract import DeliveryPage, EndpointList

_ROWS = 30
# The gapless proof reads every outbox: for all visitors together no more often than this.
_PROVE_EVERY_S = 10.0
_STILL = "Orders go on; events wait in their outboxes, and none is lost."
_WEBHOOKS_STILL = "What is not brought yet waits; merchants lose nothing."
_AUDIT_STILL = "What is not written yet waits; the log loses nothing."


class EventSources:
    """Who is asked about events. Nothing here raises: what is not known is `Down`."""

    def __init__(self, state: DashboardState, peers: dict[str, Peer]) -> None:
        self._state = state
        self.relay = EventsClient(peers["relay"])
        self._audit = AuditClient(peers["audit_consumer"])
        self._webhooks = WebhooksClient(peers["webhook_sender"])
        self._proving = asyncio.Lock()
        self._proven: GaplessView | Down | None = None
        self._proven_at = float("-inf")

    async def tail(self, wanted: EventFilter) -> EventsView | Down:
        """The newest events."""
        found = answered(
            await self.relay.events(
                limit=_ROWS, type=wanted.type, aggregate_id=wanted.search, cursor=wanted.cursor
            ),
            EventPage,
            _STILL,
        )
        return found if isinstance(found, Down) else presenter.tail(found, wanted)

    async def flow(self) -> FlowView | Down:
        """Where events are on their way."""
        lag = answered(await self.relay.lag(), LagView, _STILL)
        return presenter.flow(self._state.live.progress.now(), lag)

    async def parked(self) -> ParkedEvents | Down:
        """What was put aside."""
        found = answered(await self.relay.parked(), ParkedList, _STILL)
        return found if isinstance(found, Down) else presenter.parked(found)

    async def gapless(self) -> GaplessView | Down:
        """The proof as it was found at most ten seconds ago."""
        async with self._proving:
            if self._proven is None or time.monotonic() - self._proven_at > _PROVE_EVERY_S:
                found = answered(await self.relay.verify(), GaplessProof, _STILL)
                self._proven = (
                    found if isinstance(found, Down) else presenter.gapless(found, utc_now())
                )
                self._proven_at = time.monotonic()
            return self._proven

    async def webhooks(self) -> WebhooksView | Down:
        """Where merchants want their events, and what is dead."""
        endpoints, dead = await asyncio.gather(
            self._webhooks.endpoints(), self._webhooks.deliveries(state="DEAD", limit=_ROWS)
        )
        found = answered(endpoints, EndpointList, _WEBHOOKS_STILL)
        page = answered(dead, DeliveryPage, _WEBHOOKS_STILL)
        if isinstance(found, Down):
            return found
        return page if isinstance(page, Down) else presenter.webhooks(found, page)

    async def audit(self, wanted: EventFilter) -> EventsView | Down:
        """The newest lines of the audit log. What is searched for may be the id of the event or of
        what it is about, or who did it."""
        found = await self._lines(wanted, aggregate_id=wanted.search)
        if isinstance(found, AuditPage) and not found.lines and wanted.search:
            other = "event_id" if _is_id(wanted.search) else "subject"
            found = await self._lines(wanted, **{other: wanted.search})
        return found if isinstance(found, Down) else presenter.audit(found, wanted)

    async def chain(self) -> ChainLine | Down:
        """Whether the audit log is as it was written; reads all of it."""
        found = answered(await self._audit.chain(), ChainView, _AUDIT_STILL)
        return found if isinstance(found, Down) else presenter.chain(found)

    async def _lines(self, wanted: EventFilter, **search: str) -> AuditPage | Down:
        asked = await self._audit.lines(
            limit=_ROWS, type=wanted.type, cursor=wanted.cursor, **search
        )
        return answered(asked, AuditPage, _AUDIT_STILL)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def event_filter(request: HttpRequest) -> EventFilter:
    """The filters of the URL; raises `Problem` (400) for a type that there is not."""

    def wanted(name: str) -> str:
        return "".join(filter(str.isprintable, field(request, name)))

    kind = wanted("type")
    return EventFilter(kind and one_of("type", kind, TYPES), wanted("search"), wanted("cursor"))


def event_selects(wanted: EventFilter) -> tuple[Select, ...]:
    """What events can be filtered by, beside the search."""
    return (Select("type", "Type", wanted.type, tuple((name, name) for name in TYPES)),)


def tail_panel(wanted: EventFilter, view: EventsView | Down) -> Panel:
    """The live tail; its URL carries the filters."""
    return Panel(
        "events/tail.html", ("flow",), lambda _: view, filtered_url("/panels/tail", wanted)
    )


def flow_panel(view: FlowView | Down) -> Panel:
    """Where events are."""
    return Panel("events/flow.html", ("flow",), lambda _: view, "/panels/flow")


def parked_panel(view: ParkedEvents | Down) -> Panel:
    """What was put aside."""
    return Panel("events/parked.html", ("flow",), lambda _: view, "/panels/parked")


def gapless_panel(view: GaplessView | Down) -> Panel:
    """The gapless proof."""
    return Panel("events/gapless.html", (), lambda _: view, "/panels/gapless")


def webhooks_panel(view: WebhooksView | Down) -> Panel:
    """Merchants' endpoints, and dead deliveries."""
    return Panel("events/webhooks.html", ("flow",), lambda _: view, "/panels/webhooks")


def audited_panel(wanted: EventFilter, view: EventsView | Down) -> Panel:
    """The audit log; its URL carries the filters."""
    url = filtered_url("/panels/audited", wanted)
    return Panel("events/audited.html", (), lambda _: view, url)
