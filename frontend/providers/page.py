"""The page of providers, and the same as JSON."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from frontend.live_state import DashboardState
from frontend.providers.panels import providers_panel, providers_view
from frontend.providers.queries import Providers
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import leave_untraced


def provider_routes(pages: Pages, state: DashboardState) -> list[HTTPRouteHandler]:
    """GET /providers and its panel."""

    @get("/providers", summary="Providers", include_in_schema=False)
    async def show_providers(request: HttpRequest) -> Response[str]:
        panel = providers_panel(await providers_view(state))
        return pages.page(request, "providers/page.html", providers=panel)

    @get("/panels/providers", summary="Providers", include_in_schema=False)
    async def show_panel(request: HttpRequest) -> Response[str]:
        return pages.panel(request, providers_panel(await providers_view(state)))

    return [show_providers, show_panel]


def provider_api(state: DashboardState) -> list[HTTPRouteHandler]:
    """What the page of providers shows, as JSON."""

    @get("/api/providers", summary="Provider accounts", before_request=leave_untraced)
    async def list_providers() -> Providers:
        """GET /api/providers."""
        return await state.providers.providers()

    return [list_providers]
