"""The panels: one template, one URL, one DOM id, one view each; a panel never fails or waits."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from markupsafe import Markup
from msgspec import Struct

from chassis.http.problems import Problem
from frontend.acts import presenter as draw_acts
from frontend.gremlins import presenter as draw_gremlins
from frontend.live_state import Watch, utc_now
from frontend.overview import presenter
from frontend.overview.proof_presenter import proof
from frontend.query_results import StoryFacts
from frontend.timeline import narrative
from frontend.web.responses import page
from frontend.web.sessions import Doorman, Visitor
from frontend.web.templating import render
from observatory.sources.down import Down
from observatory.sources.poller import reason_of


class Panel(Struct, frozen=True):
    """`topics` are the nudges that make a browser fetch it; every five seconds it asks anyway."""

    name: str
    topics: tuple[str, ...]
    view: Callable[[Watch, datetime], object]
    own_url: str = ""

    @property
    def url(self) -> str:
        """Where the panel fetches itself."""
        return self.own_url or f"/panels/{self.name}"

    @property
    def trigger(self) -> str:
        """The value of hx-trigger."""
        return ", ".join([*(f"nudge-{topic} from:body" for topic in self.topics), "every 5s"])


def _figures(watch: Watch, _: datetime) -> object:
    shop = watch.shop.now()
    return shop if isinstance(shop, Down) else presenter.figures(shop.figures)


def _products(watch: Watch, _: datetime) -> object:
    shop = watch.shop.now()
    return shop if isinstance(shop, Down) else presenter.products(shop.products)


def _orders(watch: Watch, _: datetime) -> object:
    shop = watch.shop.now()
    return shop if isinstance(shop, Down) else presenter.orders(shop.orders)


def _bar(watch: Watch, now: datetime) -> object:
    loose = watch.gremlins.now()
    return loose if isinstance(loose, Down) else draw_gremlins.bar(loose, now)


def _board(watch: Watch, now: datetime) -> object:
    loose = watch.gremlins.now()
    return loose if isinstance(loose, Down) else draw_gremlins.board(loose, now)


def _reaction(watch: Watch, _: datetime) -> object:
    found = watch.incidents.now()
    return found if isinstance(found, Down) else narrative.reaction(found)


def _timeline(watch: Watch, now: datetime) -> object:
    found = watch.incidents.now()
    return found if isinstance(found, Down) else narrative.timeline(found, now)


PANELS = {
    panel.name: panel
    for panel in (
        Panel("health", ("health",), lambda watch, _: presenter.health(watch.health.now())),
        Panel("bar", ("gremlins",), _bar),
        Panel("rail", ("acts",), lambda watch, now: draw_acts.rail(watch.playing.now, now)),
        Panel(
            "lights",
            ("metrics", "gremlins"),
            lambda watch, _: presenter.lights(watch.source.traffic, watch.gremlins.now()),
        ),
        Panel("figures", ("shop",), _figures),
        Panel("board", ("gremlins",), _board),
        Panel("products", ("shop",), _products),
        Panel("orders", ("shop",), _orders),
        Panel("reaction", ("gremlins", "metrics"), _reaction),
        Panel("proof", ("proof",), lambda watch, _: proof(watch.report())),
    )
}


TIMELINE = Panel("timeline", ("gremlins", "metrics"), _timeline)
AUDIT = Panel("audit", ("gremlins",), lambda *_: None)


def story_panel(order_id: UUID) -> Panel:
    """The panel of one order; its URL carries the order's id."""
    return Panel("story", ("shop",), lambda *_: None, f"/panels/story/{order_id}")


def paint_panel(name: str, watch: Watch, visitor: Visitor, now: datetime) -> Markup:
    """The panel as HTML: the same bytes in the page's first paint and from its own URL."""
    panel = PANELS[name]

    def paint(someone: Visitor) -> Markup:
        return paint_view(panel, panel.view(watch, now), someone, now)

    return watch.painted.panel(name, (watch.hub.nudges, int(now.timestamp())), visitor, paint)


def paint_view(panel: Panel, view: object, visitor: Visitor, now: datetime) -> Markup:
    """A panel's template around a view."""
    is_down = isinstance(view, Down)
    return Markup(  # noqa: S704 - the template has escaped what it was given
        render(
            f"panels/{panel.name}.html",
            panel=panel,
            view=view,
            is_down=is_down,
            visitor=visitor,
            now=now,
        ).strip()
    )


async def audit_view(watch: Watch) -> object:
    """The gremlins' diary, asked for when it is looked at."""
    try:
        return draw_gremlins.audit(await watch.live.timeline.audit())
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Gremlins still run out by themselves.")


async def story_facts(watch: Watch, order_id: UUID) -> StoryFacts | Down | None:
    """An order's life, asked for when it is looked at; None if there is no such order."""
    try:
        return await watch.ledger.story(order_id)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "The order itself is safe in the database.")


def panel_routes(watch: Watch, doorman: Doorman) -> list[HTTPRouteHandler]:
    """GET /panels/{name}, and the three panels that are not on the overview."""

    @get("/panels/{name:str}", summary="One panel", include_in_schema=False)
    async def show_panel(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[str]:
        if name not in PANELS:
            raise Problem(404, "not-found", "There is no such panel")
        visitor = doorman.welcome(request)
        return page(paint_panel(name, watch, visitor, utc_now()), doorman, visitor)

    @get("/panels/timeline", summary="Every incident", include_in_schema=False)
    async def show_timeline(request: Request[Any, Any, Any]) -> Response[str]:
        visitor = doorman.welcome(request)
        now = utc_now()
        html = paint_view(TIMELINE, TIMELINE.view(watch, now), visitor, now)
        return page(html, doorman, visitor)

    @get("/panels/audit", summary="The gremlins' diary", include_in_schema=False)
    async def show_audit(request: Request[Any, Any, Any]) -> Response[str]:
        visitor = doorman.welcome(request)
        html = paint_view(AUDIT, await audit_view(watch), visitor, utc_now())
        return page(html, doorman, visitor)

    @get("/panels/story/{order_id:uuid}", summary="One order's life", include_in_schema=False)
    async def show_story(
        order_id: FromPath[UUID], request: Request[Any, Any, Any]
    ) -> Response[str]:
        visitor = doorman.welcome(request)
        facts = await story_facts(watch, order_id)
        if facts is None:
            raise Problem(404, "order-not-found", "There is no order with this id")
        view = presenter.story(facts)
        return page(paint_view(story_panel(order_id), view, visitor, utc_now()), doorman, visitor)

    return [show_panel, show_timeline, show_audit, show_story]
