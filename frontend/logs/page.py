"""The page of logs: the live tail of every service's lines, with its filters."""

import asyncio

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from frontend.live_state import DashboardState
from frontend.logs.panels import log_selects, logs_panel, logs_view
from frontend.logs.search import log_filter
from frontend.logs.view_models import LogFilter
from frontend.web.filters import range_choice
from frontend.web.links import Links
from frontend.web.pages import HttpRequest, Pages
from observatory.sources.protocols import TelemetrySource
from observatory.store.logs import LogQuery


def log_routes(
    pages: Pages, state: DashboardState, telemetry: TelemetrySource, links: Links
) -> list[HTTPRouteHandler]:
    """GET /logs, and its panel."""

    @get("/logs", summary="The live tail of every log", include_in_schema=False)
    async def show_logs(request: HttpRequest) -> Response[str]:
        wanted = log_filter(request)
        view, writers = await asyncio.gather(
            logs_view(telemetry, state, wanted), telemetry.writers()
        )
        return pages.page(
            request,
            "logs/page.html",
            logs=logs_panel(wanted, view),
            wanted=wanted,
            selects=log_selects(writers, wanted),
            time=range_choice("/logs", wanted, wanted.time),
            filtered=wanted != LogFilter(),
            links=links.logs(LogQuery(wanted.service, wanted.level, wanted.text, wanted.trace)),
        )

    @get("/panels/logs", summary="The newest lines", include_in_schema=False)
    async def show_tail(request: HttpRequest) -> Response[str]:
        wanted = log_filter(request)
        view = await logs_view(telemetry, state, wanted)
        return pages.panel(request, logs_panel(wanted, view))

    return [show_logs, show_tail]
