"""The overview: the whole shop on one screen, and the numbers of its charts."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from chassis.identity.owners import FOR_SHOPPERS
from frontend.live_state import DashboardState
from frontend.orders.actions import DEMO_USERS
from frontend.overview.charts import chart_routes, sparks
from frontend.web.actions import new_form_key
from frontend.web.formatting import utc_now
from frontend.web.links import Links
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import see_other
from observatory.load_runs import LoadRuns


def overview_routes(
    pages: Pages, state: DashboardState, links: Links, runs: LoadRuns
) -> list[HTTPRouteHandler]:
    """GET / and /charts/data."""

    @get("/", summary="The shop under glass", include_in_schema=False, opt=FOR_SHOPPERS)
    async def show_overview(request: HttpRequest) -> Response[str]:
        visitor = pages.sessions.identify(request)
        if visitor.is_shopper:
            return see_other("/orders", pages.sessions, visitor)
        return pages.page(
            request,
            "overview/page.html",
            order_key=new_form_key(),
            wallets=DEMO_USERS,
            links=links.overview(),
            sparks=sparks(state.source, utc_now().timestamp()),
        )

    charts = chart_routes(state.source, lambda: state.live.recorder.windows, runs.windows, utc_now)
    return [show_overview, *charts]
