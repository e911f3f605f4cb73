"""The page of charts, and the same as JSON."""

from datetime import UTC, datetime

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from chassis.http.openapi import refused
from chassis.http.parameters import takes
from frontend.charts.panels import charts_filter, charts_panel, charts_view, read_charts
from frontend.charts.view_models import ServiceCharts
from frontend.live_state import DashboardState
from frontend.web.filters import known_service, range_choice
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import leave_untraced
from frontend.web.time_range import TimeRange
from observatory.metrics.received import MetricSeries
from observatory.sources.protocols import TelemetrySource


class ChartPeriod(Struct, frozen=True):
    """The heatmaps and error rates between two moments."""

    since: datetime
    until: datetime
    services: tuple[ServiceCharts, ...]


class ReceivedSeries(Struct, frozen=True):
    """Series that programs sent, each with its points as (nanoseconds, value, sum); None where they
    are sent elsewhere."""

    series: list[MetricSeries] | None


def charts_routes(
    pages: Pages, state: DashboardState, telemetry: TelemetrySource
) -> list[HTTPRouteHandler]:
    """GET /charts and its panel."""

    @get("/charts", summary="Charts", include_in_schema=False)
    async def show_charts(request: HttpRequest) -> Response[str]:
        wanted = charts_filter(request)
        return pages.page(
            request,
            "charts/page.html",
            charts=charts_panel(wanted, charts_view(state, telemetry, wanted)),
            wanted=wanted,
            time=range_choice("/charts", wanted, wanted.time),
        )

    @get("/panels/charts", summary="The charts", include_in_schema=False)
    async def show_panel(request: HttpRequest) -> Response[str]:
        wanted = charts_filter(request)
        view = charts_view(state, telemetry, wanted)
        return pages.panel(request, charts_panel(wanted, view))

    return [show_charts, show_panel]


def charts_api(state: DashboardState, telemetry: TelemetrySource) -> list[HTTPRouteHandler]:
    """GET /api/charts and /api/metrics."""

    @get(
        "/api/charts",
        summary="How long requests took and how many failed, in sixty stretches of time",
        responses={400: refused("A field cannot be read")},
        before_request=leave_untraced,
        opt=takes(TimeRange.__struct_fields__),
    )
    async def read_chart_data(request: HttpRequest) -> ChartPeriod:
        """GET /api/charts?since=&until=."""
        view = read_charts(state, telemetry, charts_filter(request))
        since, until = (datetime.fromtimestamp(each, UTC) for each in (view.begin, view.end))
        return ChartPeriod(since, until, view.services)

    @get(
        "/api/metrics",
        summary="Metrics that programs sent over OTLP",
        before_request=leave_untraced,
        opt=takes(("service", "name")),
    )
    async def list_metrics(request: HttpRequest) -> ReceivedSeries:
        """GET /api/metrics?service=&name=: at most two hundred series."""
        wanted, received = charts_filter(request), telemetry.received()
        if received is None:
            return ReceivedSeries(None)
        known_service(wanted.service, received.services)
        return ReceivedSeries(received.find(service=wanted.service, name=wanted.name))

    return [read_chart_data, list_metrics]
