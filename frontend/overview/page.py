"""The pages: the overview, one order's life, the gremlins, the timeline, and the nudges."""

import secrets
from functools import partial
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Response, Stream
from markupsafe import Markup

from chassis.http.problems import Problem, shed
from frontend.live_state import Watch, utc_now
from frontend.overview import presenter
from frontend.overview.charts import chart_routes, sparks
from frontend.traces.panels import order_panel, order_view
from frontend.web.links import Links
from frontend.web.panels import (
    AUDIT,
    TIMELINE,
    audit_view,
    paint_panel,
    paint_view,
    story_facts,
    story_panel,
)
from frontend.web.responses import HEADERS, page
from frontend.web.sessions import Doorman, Visitor
from frontend.web.sse import TooManyListeners
from frontend.web.templating import render
from observatory.sources.protocols import TelemetrySource

_NO_SHOP = "The order book cannot be read right now. Nothing is lost: load the page again soon."


def new_order_key() -> str:
    """The Idempotency-Key of the next order; sending the same form twice orders once."""
    return secrets.token_hex(16)


def page_routes(
    watch: Watch, doorman: Doorman, evidence: TelemetrySource, links: Links
) -> list[HTTPRouteHandler]:
    """GET /, /orders/{id}, /gremlins, /timeline, /charts/data and /events."""
    show = partial(_show, watch, doorman)

    @get("/", summary="The shop under glass", include_in_schema=False)
    async def show_overview(request: Request[Any, Any, Any]) -> Response[str]:
        visitor = doorman.welcome(request)
        charts = {"chart_table": sparks(watch.source, utc_now().timestamp())}
        more = {"order_key": new_order_key(), "ways": links.overview(), **charts}
        return show("overview.html", request, visitor, **more)

    @get("/orders/{order_id:uuid}", summary="One order's life", include_in_schema=False)
    async def show_order(
        order_id: FromPath[UUID], request: Request[Any, Any, Any]
    ) -> Response[str]:
        visitor = doorman.welcome(request)
        panels = await order_panels(watch, evidence, order_id, visitor)
        return show("order.html", request, visitor, order_id=str(order_id), **panels)

    @get("/gremlins", summary="The gremlins and their diary", include_in_schema=False)
    async def show_gremlins(request: Request[Any, Any, Any]) -> Response[str]:
        visitor = doorman.welcome(request)
        diary = paint_view(AUDIT, await audit_view(watch), visitor, utc_now())
        return show("gremlins.html", request, visitor, diary=diary)

    @get("/timeline", summary="What was done, and what came of it", include_in_schema=False)
    async def show_timeline(request: Request[Any, Any, Any]) -> Response[str]:
        visitor, now = doorman.welcome(request), utc_now()
        rows = paint_view(TIMELINE, TIMELINE.view(watch, now), visitor, now)
        return show("timeline.html", request, visitor, rows=rows)

    charts = chart_routes(watch.source, lambda: watch.live.recorder.windows, utc_now)
    return [show_overview, show_order, show_gremlins, show_timeline, *charts, nudges(watch)]


async def order_panels(
    watch: Watch, evidence: TelemetrySource, order_id: UUID, visitor: Visitor
) -> dict[str, Markup]:
    """An order's two panels from one reading of the book; `Problem` 404 if it has none such."""
    facts = await story_facts(watch, order_id)
    if facts is None:
        raise Problem(404, "order-not-found", "There is no order with this id.")
    kept, now = await order_view(evidence, order_id, facts), utc_now()
    return {
        "story": paint_view(story_panel(order_id), presenter.story(facts), visitor, now),
        "traces": paint_view(order_panel(order_id), kept, visitor, now),
    }


def _show(
    watch: Watch,
    doorman: Doorman,
    template: str,
    request: Request[Any, Any, Any],
    visitor: Visitor,
    **context: object,
) -> Response[str]:
    now = utc_now()
    html = render(
        template,
        panel=partial(paint_panel, watch=watch, visitor=visitor, now=now),
        visitor=visitor,
        here=request.url.path,
        now=now,
        **context,
    )
    return page(html, doorman, visitor)


def nudges(watch: Watch) -> HTTPRouteHandler:
    """GET /events: which panel changed, as long as there is a place at the stream."""

    @get("/events", summary="Nudges: which panel changed", include_in_schema=False)
    async def show_events() -> Stream:
        try:
            listener = watch.hub.listen()
        except TooManyListeners:
            raise shed("Every place at the stream is taken; panels still refresh") from None
        return Stream(
            watch.hub.stream(listener),
            media_type="text/event-stream",
            headers={**HEADERS, "X-Accel-Buffering": "no"},
        )

    return show_events
