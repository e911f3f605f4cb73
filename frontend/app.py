"""Composes the dashboard."""

from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.client import GremlinClient
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.outbound import Peer
from frontend.acts.page import act_routes
from frontend.acts.scenario_runner import Stage
from frontend.gremlins.actions import Hands, action_routes, sign_in_routes
from frontend.live_state import Watch, service_urls
from frontend.overview.page import page_routes
from frontend.settings import DashboardSettings
from frontend.traces.page import evidence_routes
from frontend.web.links import Links
from frontend.web.panels import panel_routes
from frontend.web.responses import leave_untraced, show_lost, show_problem
from frontend.web.sessions import Doorman
from frontend.web.sse import Hub
from frontend.web.static_files import FILES
from observatory.metrics.dropped_counts import DroppedCounts
from observatory.sources.embedded_metrics import EmbeddedMetrics
from observatory.sources.embedded_traces import EmbeddedTraces, sent_to
from observatory.sources.protocols import MetricsSource, TelemetrySource
from observatory.sources.stack.metrics import StackMetrics
from observatory.sources.stack.traces_logs import StackTraces
from observatory.store.store import TelemetryStore
from proof.scheduler import Proof, ProofScheduler
from services.order.client import OrderClient
from topology import NAMES

NAME = "dashboard"
# The watch asks two small questions a second and a page two more; the rest is for visitors.
_POOL = 4


def create_app(
    settings: DashboardSettings,
    *,
    source: MetricsSource | None = None,
    proof: Proof | None = None,
    peers: dict[str, Peer] | None = None,
) -> Edge:
    """The dashboard as an ASGI app. Pure: nothing is opened or started before the lifespan.

    `source`, `proof` and `peers` (by service key) replace the origins of numbers and verdicts,
    and the wires that actions take."""
    registry = CollectorRegistry()
    hub = Hub()
    urls = service_urls(settings)
    drops = DroppedCounts(urls)
    evidence = _evidence(settings, hub, registry, drops)
    wires = peers or {key: Peer(name, urls[key], settings) for key, name in NAMES.items()}
    watch = Watch(
        settings,
        hub=hub,
        source=source or _source(settings, hub),
        database=Database(settings, size=_POOL),
        proof=proof or ProofScheduler(settings, registry=registry),
    )
    doorman = Doorman(settings, greeted=watch.playing.heard_from)
    links, stage = Links(settings), Stage(settings, watch, wires)
    hands = _hands(settings, wires, watch)
    return service_app(
        name=NAME,
        title="Valerix dashboard",
        settings=settings,
        registry=registry,
        routes=[
            *_for_people(
                [
                    *page_routes(watch, doorman, evidence, links),
                    *panel_routes(watch, doorman),
                    *evidence_routes(evidence, watch, doorman, links),
                    *action_routes(hands, watch, doorman),
                    *sign_in_routes(doorman),
                    *act_routes(settings, stage, watch, doorman),
                ]
            ),
            *FILES,
            *evidence.routes(),
        ],
        loops=[watch.run, evidence.run, stage.run],
        closes=[stage.close, *(wire.close for wire in wires.values()), evidence.close, drops.close],
        exception_handlers={Exception: show_lost},
    )


def _source(settings: DashboardSettings, hub: Hub) -> MetricsSource:
    """Where metrics come from: Prometheus, if there is one."""
    if settings.prometheus_url:
        return StackMetrics(settings.prometheus_url, hub.nudge)
    return EmbeddedMetrics(service_urls(settings), hub.nudge)


def _evidence(
    settings: DashboardSettings, hub: Hub, registry: CollectorRegistry, drops: DroppedCounts
) -> TelemetrySource:
    """Where traces and logs come from: Jaeger and Loki, if there are, or what is sent here. How
    full the own memory is stands on /metrics."""
    if settings.jaeger_url:
        return StackTraces(settings.jaeger_url, settings.loki_url, hub.nudge, dropped=drops.now)
    memory = TelemetryStore()
    memory.export(registry)
    return EmbeddedTraces(memory, hub.nudge, sent_to=sent_to(settings), dropped=drops.now)


def _hands(settings: DashboardSettings, wires: dict[str, Peer], watch: Watch) -> Hands:
    return Hands(
        settings,
        orders=OrderClient(wires["order"]),
        gremlins={key: GremlinClient(wire) for key, wire in wires.items()},
        watch=watch,
    )


def _for_people(handlers: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Errors on these routes are pages to read, not problem documents; looking is no trace."""
    for handler in handlers:
        handler.exception_handlers = {Exception: show_problem}
        if "GET" in handler.http_methods:
            handler.before_request = leave_untraced
    return handlers
