"""The panels of traces: what their URL asks for, and the view that answers it."""

import asyncio

from msgspec.structs import replace

from chassis.http.problems import Problem
from frontend.live_state import DashboardState
from frontend.traces import presenter, waterfall
from frontend.traces.comparison import TraceComparison, compare
from frontend.traces.search import OUTCOMES, trace_query
from frontend.traces.view_models import NoTrace, TraceFilter, TraceLine, TracesView, TraceView
from frontend.web.filters import Select, filtered_url, mistake_of, select
from frontend.web.formatting import utc_now
from frontend.web.gaps import silence, unsent
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.model import moment
from observatory.store.store import FilterChoices
from observatory.store.trace_search import TraceQuery


def traces_panel(wanted: TraceFilter, view: TracesView | Down) -> Panel:
    """The list of traces; its URL carries the filters."""
    url = filtered_url("/panels/traces", wanted)
    # A search that reads every span is made again every five seconds, not for each that comes.
    topics = () if wanted.attribute or wanted.name else ("traces",)
    return Panel("traces/traces.html", topics, lambda _: view, url)


def trace_panel(trace_id: str, view: TraceView | NoTrace | Down) -> Panel:
    """One trace; its URL carries the id."""
    url = f"/panels/trace/{trace_id}"
    return Panel("traces/trace.html", ("traces", "logs"), lambda _: view, url)


def trace_selects(choices: FilterChoices, wanted: TraceFilter) -> tuple[Select, ...]:
    """What the list of traces can be filtered by."""
    selects = (
        select("service", "Service", wanted.service, choices.services),
        select("route", "Route", wanted.route, choices.routes),
        Select("outcome", "Outcome", wanted.outcome, tuple(OUTCOMES.items())),
        select("gremlin", "Gremlin", wanted.gremlin, choices.gremlins),
    )
    return tuple(each for each in selects if each.values)


async def traces_view(
    telemetry: TelemetrySource, state: DashboardState, wanted: TraceFilter
) -> TracesView | Down:
    """The list as it is now."""
    try:
        query = trace_query(wanted, utc_now())
    except Problem as problem:
        return presenter.no_traces(wanted.kind, mistake_of(problem))
    found = await telemetry.find(query)
    if isinstance(found, Down):
        return found
    return presenter.traces(
        found,
        kind=wanted.kind,
        filtered=wanted != TraceFilter(kind=wanted.kind),
        limit=query.limit,
        since=moment(query.since_ns) if wanted.is_of_light else None,
        silent=silence(telemetry, state.source),
        unsent=unsent(telemetry.dropped()),
        elsewhere=telemetry.sent_to(),
    )


async def trace_view(telemetry: TelemetrySource, trace_id: str) -> TraceView | NoTrace | Down:
    """One trace as it is now."""
    whole = await telemetry.trace(trace_id)
    if isinstance(whole, Down):
        return whole
    if whole.waterfall is None:
        return NoTrace(trace_id, whole.kept, elsewhere=telemetry.sent_to())
    return replace(waterfall.waterfall(whole.waterfall, utc_now()), unread=whole.unread)


async def compared(telemetry: TelemetrySource, a: str, b: str) -> TraceComparison | Down | str:
    """Two traces span by span; the id of one that is not kept."""
    found = await asyncio.gather(telemetry.trace(a), telemetry.trace(b))
    wholes = []
    for trace_id, whole in zip((a, b), found, strict=True):
        if isinstance(whole, Down):
            return whole
        if whole.waterfall is None:
            return trace_id
        wholes.append(whole.waterfall)
    return compare(*wholes)


async def comparable(telemetry: TelemetrySource, trace_id: str) -> tuple[TraceLine, ...]:
    """The newest other traces that began as this one did."""
    whole = await telemetry.trace(trace_id)
    if isinstance(whole, Down) or whole.waterfall is None:
        return ()
    head = whole.waterfall.head
    query = TraceQuery(service=head.service, span_name=head.name)
    found = await telemetry.find(query)
    if isinstance(found, Down):
        return ()
    alike = [row for row in found.rows if row.name == head.name and row.trace_id != trace_id]
    return presenter.trace_lines(alike)
