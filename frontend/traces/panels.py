"""The panels of traces and logs: what an address asks for, and the view that answers it."""

from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request
from msgspec import Struct
from msgspec.structs import asdict, replace

from frontend.live_state import Watch, utc_now
from frontend.orders.presenter import life
from frontend.orders.view_models import OrderTraces
from frontend.query_results import StoryFacts
from frontend.traces import presenter, waterfall
from frontend.traces.view_models import (
    LogFilter,
    LogsView,
    NoTrace,
    Select,
    TraceFilter,
    TracesView,
    TraceView,
)
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.logs import LogQuery
from observatory.store.store import FilterChoices, TraceQuery
from topology import NAMES

KINDS = ("recent", "slowest", "failed", "bitten")
OUTCOMES = {
    "2xx": "2xx good",
    "4xx": "4xx refused",
    "5xx": "5xx failed",
    "cut": "cut off",
    "none": "no HTTP",
}
LEVELS = ("INFO", "WARNING", "ERROR")
_MOST_TRACES, _MOST_LINES, _MOST_OF_AN_ORDER = 50, 200, 30
# A form field is short; a longer one is not looked for.
_FIELD_CHARS = 200

Asked = Request[Any, Any, Any]


def traces_panel(wanted: TraceFilter) -> Panel:
    """The list of traces; its URL carries the filters."""
    return Panel("traces", ("traces",), lambda *_: None, address("/panels/traces", wanted))


def trace_panel(trace_id: str) -> Panel:
    """One trace; its URL carries the id."""
    return Panel("trace", ("traces", "logs"), lambda *_: None, f"/panels/trace/{trace_id}")


def order_panel(order_id: UUID) -> Panel:
    """What is kept about one order; its URL carries the order's id."""
    return Panel("order_traces", ("traces",), lambda *_: None, f"/panels/order-traces/{order_id}")


def logs_panel(wanted: LogFilter) -> Panel:
    """The tail of lines; its URL carries the filters."""
    return Panel("logs", ("logs",), lambda *_: None, address("/panels/logs", wanted))


def address(path: str, wanted: Struct) -> str:
    given = {key: value for key, value in asdict(wanted).items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def trace_filter(request: Asked) -> TraceFilter:
    """The filters of the address; what makes no sense is left out."""
    field = partial(_field, request)
    return TraceFilter(
        kind=field("kind") if field("kind") in KINDS else "recent",
        service=NAMES.get(field("service"), field("service")),
        route=field("route"),
        outcome=field("outcome") if field("outcome") in OUTCOMES else "",
        gremlin=field("gremlin"),
        order=field("order"),
    )


def log_filter(request: Asked) -> LogFilter:
    """The filters of the address; what makes no sense is left out."""
    field = partial(_field, request)
    trace, level = field("trace").lower(), field("level").upper()
    return LogFilter(
        service=NAMES.get(field("service"), field("service")),
        level=level if level in LEVELS else "",
        text=field("text"),
        trace=trace,
    )


def trace_selects(choices: FilterChoices, wanted: TraceFilter) -> tuple[Select, ...]:
    """What the list of traces can be filtered by."""
    selects = (
        _select("service", "Service", wanted.service, choices.services),
        _select("route", "Route", wanted.route, choices.routes),
        Select("outcome", "Outcome", wanted.outcome, tuple(OUTCOMES.items())),
        _select("gremlin", "Gremlin", wanted.gremlin, choices.gremlins),
    )
    return tuple(select for select in selects if select.values)


def log_selects(services: tuple[tuple[str, int], ...], wanted: LogFilter) -> tuple[Select, ...]:
    """What the tail can be filtered by, beside text and trace."""
    levels = (("INFO", "INFO and above"), ("WARNING", "WARNING and above"), ("ERROR", "ERROR"))
    return (
        _select("service", "Service", wanted.service, services),
        Select("level", "Level", wanted.level, levels),
    )


def _select(name: str, label: str, chosen: str, counted: tuple[tuple[str, int], ...]) -> Select:
    values = sorted(value for value, _ in counted)
    if chosen and chosen not in values:
        # What was asked for stays asked for, even when nothing of it is kept any more.
        values.insert(0, chosen)
    return Select(name, label, chosen, tuple((value, value) for value in values))


def _field(request: Asked, name: str) -> str:
    return str(request.query_params.get(name, "")).strip()[:_FIELD_CHARS]


async def traces_view(
    evidence: TelemetrySource, watch: Watch, wanted: TraceFilter
) -> TracesView | Down:
    """The list as it is now."""
    query = TraceQuery(
        kind=wanted.kind,  # type: ignore[arg-type]  # one of KINDS
        service=wanted.service,
        route=wanted.route,
        outcome=wanted.outcome,
        gremlin=wanted.gremlin,
        order_id=wanted.order,
        limit=_MOST_TRACES,
    )
    found = await evidence.find(query)
    if isinstance(found, Down):
        return found
    return presenter.traces(
        found,
        kind=wanted.kind,
        filtered=wanted != TraceFilter(kind=wanted.kind),
        limit=_MOST_TRACES,
        silent=silence(evidence, watch),
        unsent=presenter.unsent(evidence.dropped()),
        elsewhere=evidence.sent_to(),
    )


async def trace_view(evidence: TelemetrySource, trace_id: str) -> TraceView | NoTrace | Down:
    """One trace as it is now."""
    whole = await evidence.trace(trace_id)
    if isinstance(whole, Down):
        return whole
    if whole.waterfall is None:
        return NoTrace(trace_id, whole.kept, elsewhere=evidence.sent_to())
    return replace(waterfall.waterfall(whole.waterfall, utc_now()), unread=whole.unread)


async def order_view(
    evidence: TelemetrySource, order_id: UUID, facts: StoryFacts | Down | None = None
) -> OrderTraces:
    """All that is known of the order as it is now: what the book says, and its traces."""
    book = None if isinstance(facts, Down) else facts
    query = TraceQuery(order_id=str(order_id), trace_ids=_traces_of(book), limit=_MOST_OF_AN_ORDER)
    found = await evidence.find(query)
    rows = () if isinstance(found, Down) else found.rows
    missing = next((each for each in (facts, found) if isinstance(each, Down)), None)
    shown = life(book, rows, utc_now(), elsewhere=evidence.sent_to())
    return replace(shown, missing=missing)


def _traces_of(book: StoryFacts | None) -> tuple[str, ...]:
    """The traces that the order book names, its own first, each once."""
    if book is None:
        return ()
    named = (book.order.trace_id, *(step.trace_id for step in book.steps))
    return tuple(dict.fromkeys(filter(None, named)))


async def logs_view(evidence: TelemetrySource, watch: Watch, wanted: LogFilter) -> LogsView | Down:
    """The tail as it is now."""
    query = LogQuery(wanted.service, wanted.level, wanted.text, wanted.trace, limit=_MOST_LINES)
    tail = await evidence.tail(query)
    if isinstance(tail, Down):
        return tail
    return presenter.logs(
        tail,
        filtered=wanted != LogFilter(),
        silent=silence(evidence, watch),
        unsent=presenter.unsent(evidence.dropped()),
        elsewhere=evidence.sent_to(),
    )


def silence(evidence: TelemetrySource, watch: Watch) -> Down | None:
    """Set when the services have work to do and say nothing about it."""

    def busy() -> bool:
        said = [watch.source.traffic(key) for key in NAMES]
        return any(not isinstance(each, Down) and each.requests > 0 for each in said)

    return evidence.outage(busy)
