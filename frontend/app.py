"""Composes the dashboard."""

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry

from chassis.app import service_app
from chassis.context import span_now
from chassis.database import Database
from chassis.edge import Edge
from chassis.gremlin_client import GremlinClient
from chassis.outbound import Peer
from chassis.settings import Settings
from frontend.actions import Hands, action_routes, sign_in_routes
from frontend.answers import show_lost, show_problem
from frontend.events import Hub
from frontend.evidence import Evidence, elsewhere
from frontend.evidence_pages import evidence_routes
from frontend.files import FILES
from frontend.observatory.drops import Drops
from frontend.observatory.memory import Memory
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
_POLLED = ("/panels/", "/charts/", "/events")


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
    drops = Drops(urls)
    evidence = Evidence(_memory(registry), hub, elsewhere=elsewhere(settings), dropped=drops.now)
    wires = peers or {key: Peer(name, urls[key], settings) for key, name in NAMES.items()}
    watch = Watch(
        settings,
        hub=hub,
        source=source or Embedded(urls, hub.nudge),
        database=Database(settings, size=_POOL),
        proof=proof or ProofLoop(settings, registry=registry),
    )
    doorman = Doorman(settings)
    hands = _hands(settings, wires, watch)
    return service_app(
        name=NAME,
        title="Valerix dashboard",
        settings=settings,
        registry=registry,
        routes=[
            *_for_people(
                [
                    *page_routes(watch, doorman, evidence),
                    *panel_routes(watch, doorman),
                    *evidence_routes(evidence, watch, doorman),
                    *action_routes(hands, watch, doorman),
                    *sign_in_routes(doorman),
                ]
            ),
            *FILES,
            *evidence.receiver.routes(),
        ],
        loops=[watch.run, evidence.run],
        closes=[*(wire.close for wire in wires.values()), evidence.receiver.close, drops.close],
        exception_handlers={Exception: show_lost},
    )


def _memory(registry: CollectorRegistry) -> Memory:
    """Where the services' traces and logs are kept; how full it is stands on /metrics."""
    memory = Memory()
    memory.export(registry)
    return memory


def _hands(settings: Settings, wires: dict[str, Peer], watch: Watch) -> Hands:
    return Hands(
        settings,
        orders=OrderClient(wires["order"]),
        gremlins={key: GremlinClient(wire) for key, wire in wires.items()},
        watch=watch,
    )


def _for_people(handlers: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Errors on these routes are pages to read, not problem documents; polls are no traces."""
    for handler in handlers:
        handler.exception_handlers = {Exception: show_problem}
        if any(path.startswith(_POLLED) for path in handler.paths):
            handler.before_request = _leave_untraced
    return handlers


async def _leave_untraced(_: Request[Any, Any, Any]) -> None:
    """An open page asks several times a second: that is watching, not the shop's story."""
    if (work := span_now.get()) is not None:
        work.sampled = False
