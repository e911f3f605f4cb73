"""The page of gremlins: the switches, and the audit log of who used them."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from frontend.gremlins.panels import audit_panel, audit_view
from frontend.live_state import DashboardState
from frontend.web.pages import HttpRequest, Pages


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
