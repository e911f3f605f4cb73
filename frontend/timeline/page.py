"""The page of the timeline: what was done to the shop, and what came of it."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from frontend.web.pages import HttpRequest, Pages


def timeline_routes(pages: Pages) -> list[HTTPRouteHandler]:
    """GET /timeline."""

    @get("/timeline", summary="Incidents", include_in_schema=False)
    async def show_timeline(request: HttpRequest) -> Response[str]:
        return pages.page(request, "timeline/page.html")

    return [show_timeline]
