"""The pages of traces: the list with its filters, and one trace as a waterfall."""

import asyncio

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec.structs import replace

from chassis.http.problems import Problem
from frontend.live_state import DashboardState
from frontend.traces.comparison import TraceComparison
from frontend.traces.panels import (
    comparable,
    compared,
    trace_panel,
    trace_selects,
    trace_view,
    traces_panel,
    traces_view,
)
from frontend.traces.search import KINDS, known_id, trace_filter
from frontend.traces.view_models import TraceFilter, TraceLine
from frontend.web.filters import field, filtered_url, range_choice
from frontend.web.links import Links
from frontend.web.pages import HttpRequest, Pages
from observatory.otlp.normalize import is_id
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource


def trace_routes(
    pages: Pages, state: DashboardState, telemetry: TelemetrySource, links: Links
) -> list[HTTPRouteHandler]:
    """GET /traces and /traces/{id}, each with its panel."""

    @get("/traces", summary="Traces", include_in_schema=False)
    async def show_traces(request: HttpRequest) -> Response[str]:
        wanted = trace_filter(request)
        view, choices = await asyncio.gather(
            traces_view(telemetry, state, wanted), telemetry.choices()
        )
        return pages.page(
            request,
            "traces/page.html",
            traces=traces_panel(wanted, view),
            wanted=wanted,
            tabs=[(kind, filtered_url("/traces", replace(wanted, kind=kind))) for kind in KINDS],
            selects=trace_selects(choices, wanted),
            time=range_choice("/traces", wanted, wanted.time),
            filtered=wanted != TraceFilter(kind=wanted.kind),
            links=links.traces(wanted.service),
        )

    @get("/panels/traces", summary="The list of traces", include_in_schema=False)
    async def show_list(request: HttpRequest) -> Response[str]:
        wanted = trace_filter(request)
        view = await traces_view(telemetry, state, wanted)
        return pages.panel(request, traces_panel(wanted, view))

    @get("/traces/{trace_id:str}", summary="One trace", include_in_schema=False)
    async def show_trace(trace_id: FromPath[str], request: HttpRequest) -> Response[str]:
        known = known_id(trace_id)
        view = await trace_view(telemetry, known)
        return pages.page(
            request,
            "traces/trace_page.html",
            trace=trace_panel(known, view),
            trace_id=known,
            growing=isinstance(view, Down) or view.live,
            links=links.trace(known),
        )

    @get("/panels/trace/{trace_id:str}", summary="One trace's waterfall", include_in_schema=False)
    async def show_waterfall(trace_id: FromPath[str], request: HttpRequest) -> Response[str]:
        known = known_id(trace_id)
        return pages.panel(request, trace_panel(known, await trace_view(telemetry, known)))

    return [show_traces, show_list, show_trace, show_waterfall]


def compare_routes(pages: Pages, telemetry: TelemetrySource) -> list[HTTPRouteHandler]:
    """GET /traces/compare: two traces, or the choice of the second."""

    @get("/traces/compare", summary="Two traces compared", include_in_schema=False)
    async def show_comparison(request: HttpRequest) -> Response[str]:
        ids = [field(request, name).lower() for name in ("a", "b")]
        if any(each and not is_id(each, 32) for each in ids):
            raise Problem(404, "not-found", "A trace's id is 32 digits from 0 to f, not all 0.")
        found: TraceComparison | Down | str | None = None
        others: tuple[TraceLine, ...] = ()
        if all(ids):
            found = await compared(telemetry, *ids)
        elif ids[0]:
            others = await comparable(telemetry, ids[0])
        return pages.page(
            request,
            "traces/compare_page.html",
            a=ids[0],
            b=ids[1],
            problem=found if isinstance(found, Down) else None,
            found=found if isinstance(found, TraceComparison) else None,
            missing=found if isinstance(found, str) else "",
            others=others,
        )

    return [show_comparison]
