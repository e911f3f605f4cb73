"""Traces as JSON: the list that the page shows, and one as OpenTelemetry writes it."""

from typing import Annotated

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from chassis.http.openapi import refused
from chassis.http.parameters import takes
from chassis.http.problems import Problem
from frontend.traces.comparison import ComparedSpan
from frontend.traces.panels import compared
from frontend.traces.search import known_id, trace_filter, trace_query
from frontend.traces.view_models import TraceFilter
from frontend.web.answered import unreadable
from frontend.web.filters import known_service
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest
from frontend.web.responses import leave_untraced
from observatory.otlp.export import traces_data
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.results import TraceRow


class TracePage(Struct, frozen=True):
    """Traces of a search, at most fifty. `kept` is how many there are in all, where that is known;
    `note` says what the search could not do."""

    traces: tuple[TraceRow, ...]
    kept: int | None
    note: str


class SpanComparison(Struct, frozen=True):
    """The same work in two traces, in the order of the first."""

    spans: tuple[ComparedSpan, ...]


def trace_api(telemetry: TelemetrySource) -> list[HTTPRouteHandler]:
    """GET /api/traces and /api/traces/{id}."""

    @get(
        "/api/traces",
        summary="Traces: the slowest first if kind=slowest, else the newest",
        responses={400: refused("A field cannot be read"), 503: refused("They cannot be read now")},
        before_request=leave_untraced,
        opt=takes(TraceFilter.__struct_fields__),
    )
    async def list_traces(request: HttpRequest) -> TracePage:
        """The fields are those of the page: kind, service, route, outcome, gremlin, order, trace,
        name, attribute (key=value …), min (250ms), since and until (15m, or a moment)."""
        wanted = trace_filter(request)
        query = trace_query(wanted, utc_now())
        known_service(wanted.service, dict((await telemetry.choices()).services))
        found = await telemetry.find(query)
        if isinstance(found, Down):
            raise unreadable(found)
        return TracePage(found.rows, found.kept, found.note)

    @get(
        "/api/traces/{trace_id:str}",
        summary="One trace as OTLP in JSON",
        media_type=MediaType.JSON,
        responses={404: refused("It is not kept, or that is no id"), 503: refused("Not now")},
        before_request=leave_untraced,
    )
    async def download_trace(trace_id: FromPath[str]) -> Response[bytes]:
        """GET /api/traces/{id}."""
        known = known_id(trace_id)
        found = await telemetry.trace(known)
        if isinstance(found, Down):
            raise unreadable(found)
        if found.waterfall is None:
            raise Problem(404, "trace-not-found", "No span of this trace is kept, or not yet.")
        spans = traces_data(placed.span for placed in found.waterfall.spans)
        return Response(spans, media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})

    return [list_traces, download_trace]


def compare_api(telemetry: TelemetrySource) -> list[HTTPRouteHandler]:
    """GET /api/traces/compare."""

    @get(
        "/api/traces/compare",
        summary="Two traces compared, span by span",
        responses={404: refused("One is not kept, or that is no id"), 503: refused("Not now")},
        before_request=leave_untraced,
    )
    async def compare_traces(
        a: Annotated[str, QueryParameter()], b: Annotated[str, QueryParameter()]
    ) -> SpanComparison:
        """GET /api/traces/compare?a=ID&b=ID."""
        found = await compared(telemetry, known_id(a), known_id(b))
        if isinstance(found, Down):
            raise unreadable(found)
        if isinstance(found, str):
            raise Problem(404, "trace-not-found", f"No span of {found} is kept, or not yet.")
        return SpanComparison(found.spans)

    return [compare_traces]
