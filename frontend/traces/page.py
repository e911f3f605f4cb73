"""The pages of traces and logs: from a red light to the trace, and to the line of log behind it."""

import asyncio
from functools import partial
from uuid import UUID

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec.structs import replace

from chassis.http.problems import Problem
from frontend.live_state import Watch, utc_now
from frontend.traces.panels import (
    KINDS,
    Asked,
    address,
    log_filter,
    log_selects,
    logs_panel,
    logs_view,
    order_panel,
    order_view,
    trace_filter,
    trace_panel,
    trace_selects,
    trace_view,
    traces_panel,
    traces_view,
)
from frontend.web.links import Links
from frontend.web.panels import Panel, paint_panel, paint_view, story_facts
from frontend.web.responses import page
from frontend.web.sessions import Doorman
from frontend.web.templating import render
from observatory.otlp.normalize import is_id
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource


class Desk:
    """Answers with a whole page around a panel, or with the panel alone."""

    def __init__(self, watch: Watch, doorman: Doorman) -> None:
        self._watch = watch
        self._doorman = doorman

    def page(
        self, template: str, request: Asked, panel: Panel, view: object, **more: object
    ) -> Response[str]:
        """The page; its first paint holds the panel's own bytes."""
        visitor, now = self._doorman.welcome(request), utc_now()
        html = render(
            template,
            panel=partial(paint_panel, watch=self._watch, visitor=visitor, now=now),
            body=paint_view(panel, view, visitor, now),
            visitor=visitor,
            here=request.url.path,
            now=now,
            **more,
        )
        return page(html, self._doorman, visitor)

    def panel(self, request: Asked, panel: Panel, view: object) -> Response[str]:
        """The panel."""
        visitor = self._doorman.welcome(request)
        return page(paint_view(panel, view, visitor, utc_now()), self._doorman, visitor)


def evidence_routes(
    evidence: TelemetrySource, watch: Watch, doorman: Doorman, links: Links
) -> list[HTTPRouteHandler]:
    """GET /traces, /traces/{id} and /logs, each with the panel inside it."""
    desk = Desk(watch, doorman)
    return [
        *_traces_routes(evidence, watch, desk, links),
        *_trace_routes(evidence, watch, desk, links),
        *_logs_routes(evidence, watch, desk, links),
    ]


def _traces_routes(
    evidence: TelemetrySource, watch: Watch, desk: Desk, links: Links
) -> list[HTTPRouteHandler]:
    @get("/traces", summary="Traces", include_in_schema=False)
    async def show_traces(request: Asked) -> Response[str]:
        wanted = trace_filter(request)
        view, choices = await asyncio.gather(
            traces_view(evidence, watch, wanted), evidence.choices()
        )
        return desk.page(
            "traces.html",
            request,
            traces_panel(wanted),
            view,
            wanted=wanted,
            tabs=[(kind, address("/traces", replace(wanted, kind=kind))) for kind in KINDS],
            selects=trace_selects(choices, wanted),
            ways=links.traces(wanted),
        )

    @get("/panels/traces", summary="The list of traces", include_in_schema=False)
    async def show_list(request: Asked) -> Response[str]:
        wanted = trace_filter(request)
        return desk.panel(request, traces_panel(wanted), await traces_view(evidence, watch, wanted))

    return [show_traces, show_list]


def _trace_routes(
    evidence: TelemetrySource, watch: Watch, desk: Desk, links: Links
) -> list[HTTPRouteHandler]:
    @get("/traces/{trace_id:str}", summary="One trace", include_in_schema=False)
    async def show_trace(trace_id: FromPath[str], request: Asked) -> Response[str]:
        known = _trace_id(trace_id)
        view = await trace_view(evidence, known)
        growing = isinstance(view, Down) or view.live
        return desk.page(
            "trace.html",
            request,
            trace_panel(known),
            view,
            trace_id=known,
            growing=growing,
            ways=links.trace(known),
        )

    @get("/panels/trace/{trace_id:str}", summary="One trace's waterfall", include_in_schema=False)
    async def show_waterfall(trace_id: FromPath[str], request: Asked) -> Response[str]:
        known = _trace_id(trace_id)
        return desk.panel(request, trace_panel(known), await trace_view(evidence, known))

    @get("/panels/order-traces/{order_id:uuid}", include_in_schema=False)
    async def show_of_order(order_id: FromPath[UUID], request: Asked) -> Response[str]:
        view = await order_view(evidence, order_id, await story_facts(watch, order_id))
        return desk.panel(request, order_panel(order_id), view)

    return [show_trace, show_waterfall, show_of_order]


def _trace_id(text: str) -> str:
    if not is_id(text.lower(), 32):
        raise Problem(404, "not-found", "A trace's id is 32 digits from 0 to f, not all 0.")
    return text.lower()


def _logs_routes(
    evidence: TelemetrySource, watch: Watch, desk: Desk, links: Links
) -> list[HTTPRouteHandler]:
    @get("/logs", summary="The live tail of every log", include_in_schema=False)
    async def show_logs(request: Asked) -> Response[str]:
        wanted = log_filter(request)
        view, writers = await asyncio.gather(logs_view(evidence, watch, wanted), evidence.writers())
        return desk.page(
            "logs.html",
            request,
            logs_panel(wanted),
            view,
            wanted=wanted,
            selects=log_selects(writers, wanted),
            ways=links.logs(wanted),
        )

    @get("/panels/logs", summary="The newest lines", include_in_schema=False)
    async def show_tail(request: Asked) -> Response[str]:
        wanted = log_filter(request)
        return desk.panel(request, logs_panel(wanted), await logs_view(evidence, watch, wanted))

    return [show_logs, show_tail]
