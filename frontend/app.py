"""Composes the dashboard."""

from litestar.handlers import BaseRouteHandler
from prometheus_client import CollectorRegistry

from chassis.app import service_app
from chassis.database import Database
from chassis.edge import Edge
from chassis.gremlin_routes import GremlinClient
from chassis.outbound import Peer
from chassis.settings import Settings
from frontend.actions import Hands, action_routes, sign_in_routes
from frontend.answers import show_problem
from frontend.events import Hub
from frontend.files import FILES
from frontend.pages import page_routes
from frontend.panels import panel_routes
from frontend.proof.loop import ProofLoop
from frontend.sources import Source
from frontend.sources.embedded import Embedded
from frontend.visitor import Doorman
from frontend.watch import Proof, Watch, service_urls
from frontend.words import NAMES
from services.order.client import OrderClient

NAME = "dashboard"
# The watch asks two small questions a second and a page two more; the rest is for visitors.
_POOL = 4


def create_app(
    settings: Settings,
    *,
    source: Source | None = None,
    proof: Proof | None = None,
    peers: dict[str, Peer] | None = None,
) -> Edge:
    """The dashboard as an ASGI app. Pure: nothing is opened or started before the lifespan.

    `source`, `proof` and `peers` (by service key) replace the origins of numbers and verdicts,
    and the wires that actions take."""
    registry = CollectorRegistry()
    hub = Hub()
    urls = service_urls(settings)
    wires = peers or {key: Peer(name, urls[key], settings) for key, name in NAMES.items()}
    watch = Watch(
        settings,
        hub=hub,
        source=source or Embedded(urls, hub.nudge),
        database=Database(settings, size=_POOL),
        proof=proof or ProofLoop(settings, registry=registry),
    )
    doorman = Doorman(settings)
    hands = Hands(
        settings,
        orders=OrderClient(wires["order"]),
        gremlins={key: GremlinClient(wire) for key, wire in wires.items()},
        watch=watch,
    )
    return service_app(
        name=NAME,
        title="Valerix dashboard",
        settings=settings,
        registry=registry,
        routes=[
            *_for_people(
                [
                    *page_routes(watch, doorman),
                    *panel_routes(watch, doorman),
                    *action_routes(hands, watch, doorman),
                    *sign_in_routes(doorman),
                ]
            ),
            *FILES,
        ],
        loops=[watch.run],
        closes=[wire.close for wire in wires.values()],
    )


def _for_people(handlers: list[BaseRouteHandler]) -> list[BaseRouteHandler]:
    """Errors on these routes are pages to read, not problem documents."""
    for handler in handlers:
        handler.exception_handlers = {Exception: show_problem}
    return handlers
