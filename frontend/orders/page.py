"""The pages of orders: the list, and one order's life with everything on one axis of time."""

from uuid import UUID

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.http.problems import Problem
from chassis.identity.owners import FOR_SHOPPERS
from frontend.live_state import DashboardState
from frontend.orders.actions import DEMO_USERS
from frontend.orders.panels import (
    find_traces,
    gone_traces,
    order_details,
    order_traces,
    order_traces_panel,
    orders_of,
    orders_panel,
    story_panel,
)
from frontend.query_results import OrderDetails
from frontend.web.actions import new_form_key
from frontend.web.pages import HttpRequest, Pages
from frontend.web.sessions import Visitor
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource


def _is_shown(details: OrderDetails | Down, visitor: Visitor) -> bool:
    if isinstance(details, Down) or not visitor.is_shopper:
        return True
    return details.order.owner == visitor.name


def orders_routes(pages: Pages, state: DashboardState) -> list[HTTPRouteHandler]:
    """GET /orders, and its panel: a shopper's own, or everybody's."""

    @get("/orders", summary="Orders", include_in_schema=False, opt=FOR_SHOPPERS)
    async def show_orders(request: HttpRequest) -> Response[str]:
        visitor = pages.sessions.identify(request)
        view = await orders_of(state, visitor)
        wallets = (visitor.name,) if visitor.is_shopper else DEMO_USERS
        return pages.page(
            request,
            "orders/list_page.html",
            orders=orders_panel(view),
            order_key=new_form_key(),
            wallets=wallets,
        )

    @get("/panels/order-list", include_in_schema=False, opt=FOR_SHOPPERS)
    async def show_list(request: HttpRequest) -> Response[str]:
        visitor = pages.sessions.identify(request)
        return pages.panel(request, orders_panel(await orders_of(state, visitor)))

    return [show_orders, show_list]


def order_routes(
    pages: Pages, state: DashboardState, telemetry: TelemetrySource
) -> list[HTTPRouteHandler]:
    """GET /orders/{id}, and its two panels. A shopper sees what is theirs."""

    async def known(order_id: UUID, request: HttpRequest) -> OrderDetails | Down:
        details = await order_details(state, order_id)
        visitor = pages.sessions.identify(request)
        if details is None or not _is_shown(details, visitor):
            raise Problem(404, "order-not-found", "There is no order with this id.")
        return details

    @get(
        "/orders/{order_id:uuid}",
        summary="One order's life",
        include_in_schema=False,
        opt=FOR_SHOPPERS,
    )
    async def show_order(order_id: FromPath[UUID], request: HttpRequest) -> Response[str]:
        # Both panels from one reading of the database.
        details = await known(order_id, request)
        found = await find_traces(telemetry, order_id, details)
        gone = gone_traces(details, found)
        return pages.page(
            request,
            "orders/page.html",
            order_id=str(order_id),
            story=story_panel(order_id, details, gone),
            traces=order_traces_panel(order_id, order_traces(telemetry, details, found)),
        )

    @get("/panels/story/{order_id:uuid}", include_in_schema=False, opt=FOR_SHOPPERS)
    async def show_story(order_id: FromPath[UUID], request: HttpRequest) -> Response[str]:
        details = await known(order_id, request)
        gone = gone_traces(details, await find_traces(telemetry, order_id, details))
        return pages.panel(request, story_panel(order_id, details, gone))

    @get("/panels/order-traces/{order_id:uuid}", include_in_schema=False)
    async def show_order_traces(order_id: FromPath[UUID], request: HttpRequest) -> Response[str]:
        # Traces may be kept of an order that the database does not hold.
        details = await order_details(state, order_id)
        found = await find_traces(telemetry, order_id, details)
        view = order_traces(telemetry, details, found)
        return pages.panel(request, order_traces_panel(order_id, view))

    return [show_order, show_story, show_order_traces]
