"""The page of gremlins: the switches, and the audit log of who used them."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from chassis.http.openapi import refused
from frontend.gremlins.panels import audit_panel, audit_view
from frontend.gremlins.view_models import AuditView
from frontend.live_state import DashboardState
from frontend.web.answered import unreadable
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import leave_untraced
from observatory.sources.down import Down


def gremlin_routes(pages: Pages, state: DashboardState) -> list[HTTPRouteHandler]:
    """GET /gremlins, and the panel of its audit log."""

    @get("/gremlins", summary="The gremlins and their audit log", include_in_schema=False)
    async def show_gremlins(request: HttpRequest) -> Response[str]:
        audit = audit_panel(await audit_view(state))
        return pages.page(request, "gremlins/page.html", audit=audit)

    @get("/panels/audit", summary="The gremlins' audit log", include_in_schema=False)
    async def show_audit(request: HttpRequest) -> Response[str]:
        return pages.panel(request, audit_panel(await audit_view(state)))

    return [show_gremlins, show_audit]


def audit_api(state: DashboardState) -> HTTPRouteHandler:
    """GET /api/audit."""

    @get(
        "/api/audit",
        summary="The audit log: who did what to gremlins, traffic, load, processes and keys",
        responses={503: refused("It cannot be read now")},
        before_request=leave_untraced,
    )
    async def read_audit() -> AuditView:
        found = await audit_view(state)
        if isinstance(found, Down):
            raise unreadable(found)
        return found

    return read_audit
