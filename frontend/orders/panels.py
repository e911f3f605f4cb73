"""The panels of orders: the order form's products, the recent orders, and one order's life."""

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from frontend.live_state import DashboardState
from frontend.orders import presenter
from frontend.orders.axis import life
from frontend.orders.view_models import OrdersView, OrderTraces
from frontend.query_results import OrderDetails
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from frontend.web.sessions import Visitor
from observatory.sources.down import Down
from observatory.sources.poller import reason_of
from observatory.sources.protocols import TelemetrySource, TraceList
from observatory.store.trace_search import TraceQuery

_MOST_TRACES = 30
# More than one screen, and quick to render.
_LISTED = 50
# Services send every second, and a collector may wait some more.
_ON_ITS_WAY = timedelta(seconds=30)


def order_panels(state: DashboardState) -> list[Panel]:
    """Of the order form and the list below it."""

    def orders() -> object:
        shop = state.shop.now()
        return shop if isinstance(shop, Down) else presenter.orders(shop.orders)

    return [
        Panel(
            "orders/products.html",
            ("shop",),
            lambda _: presenter.products(state.shop.now(), state.shop.last),
            for_shoppers=True,
        ),
        Panel("orders/orders.html", ("shop",), lambda _: orders()),
    ]


async def orders_of(state: DashboardState, visitor: Visitor) -> OrdersView | Down:
    """The orders that this visitor may see: a shopper's own, or everybody's."""
    owner = visitor.name if visitor.is_shopper else None
    try:
        newest = await state.queries.orders(owner, _LISTED + 1)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "The orders themselves are safe in the database.")
    return presenter.orders(newest, _LISTED, shows_owner=owner is None)


def orders_panel(view: OrdersView | Down) -> Panel:
    """The list of orders on its page."""
    return Panel("orders/orders.html", ("shop",), lambda _: view, "/panels/order-list")


def story_panel(
    order_id: UUID, details: OrderDetails | Down, gone: frozenset[str] = frozenset()
) -> Panel:
    """One order's life; `gone` are traces of it that are no longer kept."""
    view = details if isinstance(details, Down) else presenter.story(details, gone)
    return Panel("orders/story.html", ("shop",), lambda _: view, f"/panels/story/{order_id}")


def order_traces_panel(order_id: UUID, view: OrderTraces | Down) -> Panel:
    """All that is known about one order, on one axis of time."""
    url = f"/panels/order-traces/{order_id}"
    return Panel("orders/order_traces.html", ("traces",), lambda _: view, url)


async def order_details(state: DashboardState, order_id: UUID) -> OrderDetails | Down | None:
    """An order's life, read when somebody looks at it; None if there is no such order."""
    try:
        return await state.queries.order(order_id)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "The order itself is safe in the database.")


async def find_traces(
    telemetry: TelemetrySource, order_id: UUID, details: OrderDetails | Down | None
) -> TraceList | Down:
    """The traces of the order that are kept."""
    known = None if isinstance(details, Down) else details
    query = TraceQuery(order_id=str(order_id), trace_ids=_traces_of(known), limit=_MOST_TRACES)
    return await telemetry.find(query)


def gone_traces(details: OrderDetails | Down, found: TraceList | Down) -> frozenset[str]:
    """Traces that the order names and nobody keeps any more. One that is a few seconds old may be
    on its way, and of a source that is down or has more than it shows nothing is known."""
    if isinstance(details, Down) or isinstance(found, Down) or len(found.rows) >= _MOST_TRACES:
        return frozenset()
    newest = max((step.at for step in details.steps), default=details.order.created_at)
    if utc_now() - newest < _ON_ITS_WAY:
        return frozenset()
    return frozenset(_traces_of(details)) - {row.trace_id for row in found.rows}


def order_traces(
    telemetry: TelemetrySource, details: OrderDetails | Down | None, found: TraceList | Down
) -> OrderTraces:
    """All that is known of the order now: what the database holds of it, and its traces."""
    known = None if isinstance(details, Down) else details
    rows = () if isinstance(found, Down) else found.rows
    missing = next((each for each in (details, found) if isinstance(each, Down)), None)
    view = life(known, rows, utc_now(), elsewhere=telemetry.sent_to())
    return replace(view, missing=missing)


def _traces_of(details: OrderDetails | None) -> tuple[str, ...]:
    """The traces that the order names, its own first, each once."""
    if details is None:
        return ()
    named = (details.order.trace_id, *(step.trace_id for step in details.steps))
    return tuple(dict.fromkeys(filter(None, named)))
