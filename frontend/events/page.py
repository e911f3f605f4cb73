"""The pages of events: the live tail with what is on its way, and the audit log."""

import asyncio

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from frontend.events.panels import (
    EventSources,
    audited_panel,
    event_filter,
    event_selects,
    flow_panel,
    gapless_panel,
    parked_panel,
    tail_panel,
    webhooks_panel,
)
from frontend.web.pages import HttpRequest, Pages


def event_routes(pages: Pages, sources: EventSources) -> list[HTTPRouteHandler]:
    """GET /events, and its panels."""

    @get("/events", summary="Events", include_in_schema=False)
    async def show_events_page(request: HttpRequest) -> Response[str]:
        wanted = event_filter(request)
        tail, flow, parked, gapless, webhooks = await asyncio.gather(
            sources.tail(wanted),
            sources.flow(),
            sources.parked(),
            sources.gapless(),
            sources.webhooks(),
        )
        return pages.page(
            request,
            "events/page.html",
            tail=tail_panel(wanted, tail),
            flow=flow_panel(flow),
            parked=parked_panel(parked),
            gapless=gapless_panel(gapless),
            webhooks=webhooks_panel(webhooks),
            wanted=wanted,
            selects=event_selects(wanted),
        )

    @get("/panels/tail", summary="The newest events", include_in_schema=False)
    async def show_tail(request: HttpRequest) -> Response[str]:
        wanted = event_filter(request)
        return pages.panel(request, tail_panel(wanted, await sources.tail(wanted)))

    @get("/panels/flow", summary="What is on its way", include_in_schema=False)
    async def show_flow(request: HttpRequest) -> Response[str]:
        return pages.panel(request, flow_panel(await sources.flow()))

    @get("/panels/parked", summary="What was put aside", include_in_schema=False)
    async def show_parked(request: HttpRequest) -> Response[str]:
        return pages.panel(request, parked_panel(await sources.parked()))

    @get("/panels/gapless", summary="The gapless proof", include_in_schema=False)
    async def show_proof(request: HttpRequest) -> Response[str]:
        return pages.panel(request, gapless_panel(await sources.gapless()))

    @get("/panels/webhooks", summary="Webhooks to merchants", include_in_schema=False)
    async def show_webhooks(request: HttpRequest) -> Response[str]:
        return pages.panel(request, webhooks_panel(await sources.webhooks()))

    return [show_events_page, show_tail, show_flow, show_parked, show_proof, show_webhooks]


def audit_routes(pages: Pages, sources: EventSources) -> list[HTTPRouteHandler]:
    """GET /events/audit, and its panel."""

    @get("/events/audit", summary="The audit log", include_in_schema=False)
    async def show_audit_page(request: HttpRequest) -> Response[str]:
        wanted = event_filter(request)
        is_checked = bool(request.query_params.get("check"))
        return pages.page(
            request,
            "events/audit_page.html",
            lines=audited_panel(wanted, await sources.audit(wanted)),
            chain=await sources.chain() if is_checked else None,
            wanted=wanted,
            selects=event_selects(wanted),
        )

    @get("/panels/audited", summary="Lines of the audit log", include_in_schema=False)
    async def show_lines(request: HttpRequest) -> Response[str]:
        wanted = event_filter(request)
        return pages.panel(request, audited_panel(wanted, await sources.audit(wanted)))

    return [show_audit_page, show_lines]
