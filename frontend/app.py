"""Composes the dashboard: where its data come from, its panels, its pages and its actions."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.client import GremlinClient
from chassis.http.app import service_app
from chassis.http.brake import Brake
from chassis.http.edge import Edge
from chassis.http.outbound import Peer
from chassis.http.shop_identity import ShopIdentity
from chassis.identity.owners import OPEN, OTHER_CREDENTIAL
from frontend.acts.actions import act_action_routes
from frontend.acts.page import act_routes
from frontend.acts.panels import act_panels
from frontend.acts.scenario_runner import ScenarioRunner
from frontend.charts.page import charts_api, charts_routes
from frontend.events.actions import EventActions
from frontend.events.page import audit_routes, event_routes
from frontend.events.panels import EventSources
from frontend.gremlins.actions import GremlinActions
from frontend.gremlins.page import audit_api, gremlin_routes
from frontend.gremlins.panels import gremlin_panels
from frontend.live_state import DashboardState, service_urls
from frontend.load.desk import LoadDesk
from frontend.load.page import load_api, load_routes
from frontend.logs.api import log_api
from frontend.logs.page import log_routes
from frontend.orders.actions import OrderActions
from frontend.orders.page import order_routes, orders_routes
from frontend.orders.panels import order_panels
from frontend.overview.page import overview_routes
from frontend.overview.panels import overview_panels
from frontend.payments.page import payment_api, payment_routes
from frontend.policies.drafts import PolicyDrafts
from frontend.policies.page import policy_api, policy_routes, terms_routes
from frontend.processes.actions import ProcessActions
from frontend.processes.api import process_api
from frontend.processes.page import process_routes
from frontend.providers.acquirer import AcquirerActions
from frontend.providers.page import provider_api, provider_routes
from frontend.reports.page import ReportActions, capacity_api, report_api, report_routes
from frontend.settings import DashboardSettings
from frontend.timeline.page import timeline_routes
from frontend.timeline.panels import timeline_panels
from frontend.traces.api import compare_api, trace_api
from frontend.traces.page import compare_routes, trace_routes
from frontend.traffic.api import traffic_api
from frontend.traffic.panels import traffic_panels
from frontend.traffic.switch import TrafficSwitch
from frontend.wallets.actions import WalletActions
from frontend.wallets.page import wallet_routes, wallets_routes
from frontend.wallets.panels import WalletSources
from frontend.web.access import page_guard
from frontend.web.actions import Action, action_routes
from frontend.web.links import Links
from frontend.web.pages import Pages, panel_routes
from frontend.web.panels import Panel, Panels
from frontend.web.person_tokens import TokenIssuer
from frontend.web.responses import begin_page, show_problem, show_unknown
from frontend.web.sessions import Sessions
from frontend.web.sign_in import sign_in_routes
from frontend.web.sse import Hub, nudge_routes
from frontend.web.static_files import FILES
from frontend.web.templating import environment
from observatory.capacity.plan import read_figures
from observatory.metrics.dropped_counts import DroppedCounts
from observatory.otlp.allowed_senders import AllowedSenders
from observatory.retrospective.kept import KeptReports
from observatory.retrospective.writer import ReportWriter
from observatory.sources.embedded_metrics import EmbeddedMetrics
from observatory.sources.embedded_traces import EmbeddedTraces, sent_to
from observatory.sources.protocols import MetricsSource, TelemetrySource
from observatory.sources.stack.metrics import StackMetrics
from observatory.sources.stack.traces_logs import StackTraces
from observatory.store.store import TelemetryStore
from proof.scheduler import Proof, ProofScheduler
from services.events.relay.client import EventsClient
from services.events.webhook_sender.client import WebhooksClient
from services.order.client import OrderClient
from services.payment.client import PolicyClient
from services.wallet.client import WalletClient
from topology import NAMES, find

NAME = "dashboard"
# The state asks two small questions a second and a page two more; the rest is for visitors.
_POOL = 4


class Operated(NamedTuple):
    """What operators ask for: faults, visits, and processes that stop."""

    traffic: TrafficSwitch
    profiles: LoadDesk
    processes: ProcessActions
    gremlins: GremlinActions


def create_app(
    settings: DashboardSettings,
    *,
    source: MetricsSource | None = None,
    proof: Proof | None = None,
    peers: dict[str, Peer] | None = None,
) -> Edge:
    """The dashboard as an ASGI app. Pure: nothing is opened or started before the lifespan.

    `source` and `proof` replace where numbers and verdicts come from, `peers` (by service key)
    how actions reach the services."""
    registry, hub, brake = CollectorRegistry(), Hub(), Brake()
    urls = service_urls(settings)
    drops, senders = DroppedCounts(urls), AllowedSenders(settings, brake)
    source = source or _source(settings, hub)
    telemetry = _telemetry(settings, partial(_arrived, hub, source), registry, drops, senders)
    database = Database(settings, size=_POOL)
    services = peers or {key: Peer(name, urls[key], settings) for key, name in NAMES.items()}
    _identify(services, settings, database)
    state = DashboardState(
        settings,
        hub=hub,
        source=source,
        database=database,
        proof=proof or ProofScheduler(settings, registry=registry),
    )
    runner = ScenarioRunner(settings, state, services)
    operated = _operated(settings, services, state)
    writer = _reports(settings, database, telemetry)
    sessions = _sessions(settings, services, state)
    pages = _routes(settings, state, telemetry, runner, services, sessions, writer, operated)
    return service_app(
        name=NAME,
        title="Valerix dashboard",
        settings=settings,
        registry=registry,
        routes=[*_for_browsers(pages, state), *_other_routes(state, telemetry, writer, operated)],
        loops=[state.run, telemetry.run, runner.run, sessions.store.run, writer.run],
        closes=[
            runner.close,
            operated.traffic.traffic.close,
            operated.gremlins.close,
            *(peer.close for peer in services.values()),
            telemetry.close,
            drops.close,
            sessions.store.close,
        ],
        state={"brake": brake, "sessions": sessions},
        exception_handlers={Exception: show_unknown},
    )


def _identify(services: dict[str, Peer], settings: DashboardSettings, database: Database) -> None:
    """Have each of the shop's own told which shop asks."""
    for key, peer in services.items():
        if not find(key).is_outside:
            peer.identity = ShopIdentity(settings, database)


def _routes(
    settings: DashboardSettings,
    state: DashboardState,
    telemetry: TelemetrySource,
    runner: ScenarioRunner,
    services: dict[str, Peer],
    sessions: Sessions,
    reports: ReportWriter,
    operated: Operated,
) -> list[HTTPRouteHandler]:
    """The pages, their panels and their actions."""
    environment().globals["notice"] = settings.notice
    links = Links(settings)
    pages = Pages(Panels(all_panels(state, telemetry, operated.traffic), state.hub), sessions)
    drafts = PolicyDrafts(PolicyClient(services["payment"]))
    events = EventSources(state, services)
    wallets = WalletSources(WalletClient(services["wallet"], settings.wallet_api_key))
    return [
        *overview_routes(pages, state, links, operated.profiles.runs),
        *process_routes(pages, state, telemetry),
        *orders_routes(pages, state),
        *order_routes(pages, state, telemetry),
        *payment_routes(pages, state),
        *provider_routes(pages, state),
        *policy_routes(pages, state, drafts),
        *terms_routes(pages, state, drafts),
        *wallets_routes(pages, wallets),
        *wallet_routes(pages, wallets),
        *event_routes(pages, events),
        *audit_routes(pages, events),
        *gremlin_routes(pages, state),
        *timeline_routes(pages),
        *report_routes(pages, reports, telemetry, _every(settings), read_figures()),
        *load_routes(pages, operated.profiles),
        *charts_routes(pages, state, telemetry),
        *trace_routes(pages, state, telemetry, links),
        *compare_routes(pages, telemetry),
        *log_routes(pages, state, telemetry, links),
        *act_routes(pages, state, settings, runner),
        *panel_routes(pages),
        *nudge_routes(state.hub),
        *action_routes(
            _actions(settings, services, state, drafts, reports, operated),
            sessions,
            state.refresh,
        ),
        *act_action_routes(runner, sessions),
        *sign_in_routes(sessions),
    ]


def _sessions(
    settings: DashboardSettings, services: dict[str, Peer], state: DashboardState
) -> Sessions:
    """Who has signed in: with the operator token, or a password that the identity service knows."""
    peer = services.get("identity")
    issuer = None if peer is None else TokenIssuer(peer, settings.urls["identity"])
    return Sessions(settings, issuer, seen=state.scenario.note_request)


def _other_routes(
    state: DashboardState,
    telemetry: TelemetrySource,
    reports: ReportWriter,
    operated: Operated,
) -> list[HTTPRouteHandler]:
    """What is no page: the data of pages as JSON, files, and what receives telemetry."""
    apis = [*payment_api(state), *provider_api(state), *policy_api(state), *report_api(reports)]
    apis += [*traffic_api(operated.traffic), *load_api(operated.profiles)]
    apis += [*process_api(operated.processes), audit_api(state), capacity_api(read_figures())]
    apis += [*trace_api(telemetry), *compare_api(telemetry), *log_api(telemetry)]
    apis += charts_api(state, telemetry)
    for handler in apis:
        handler.guards = [page_guard, *(handler.guards or ())]
    for handler in FILES:
        handler.opt.update(OPEN)
    receivers = telemetry.routes()
    for handler in receivers:
        # Who may send is for the receiver to say.
        handler.opt.update(OTHER_CREDENTIAL)
    return [*apis, *FILES, *receivers]


def all_panels(
    state: DashboardState, telemetry: TelemetrySource, switch: TrafficSwitch
) -> list[Panel]:
    """The panels that any page may show by their name."""
    return [
        *overview_panels(state, telemetry),
        *order_panels(state),
        *gremlin_panels(state),
        *timeline_panels(state),
        *act_panels(state),
        *traffic_panels(switch),
    ]


def _operated(
    settings: DashboardSettings, services: dict[str, Peer], state: DashboardState
) -> Operated:
    """What operators ask for."""
    traffic, profiles = _traffic(settings, services, state), LoadDesk(settings, state.operations)
    clients = {key: GremlinClient(peer) for key, peer in services.items()}
    gremlins = GremlinActions(clients, state)
    return Operated(traffic, profiles, ProcessActions(settings), gremlins)


def _traffic(
    settings: DashboardSettings, services: dict[str, Peer], state: DashboardState
) -> TrafficSwitch:
    """The switch for steady traffic; nobody comes while an act counts its own customers."""
    return TrafficSwitch(
        settings,
        services,
        state.operations,
        resting=lambda: state.scenario.is_on,
        changed=lambda: state.hub.nudge("traffic"),
    )


def _reports(
    settings: DashboardSettings, database: Database, telemetry: TelemetrySource
) -> ReportWriter:
    """Who writes reports, and where they are kept."""
    kept = KeptReports(settings.folder("reports"), settings.report_keep)
    return ReportWriter(database, telemetry, kept, every=_every(settings))


def _every(settings: DashboardSettings) -> timedelta:
    """How often a report is written by itself; zero: never."""
    return timedelta(hours=settings.report_every_h)


def _source(settings: DashboardSettings, hub: Hub) -> MetricsSource:
    """Where metrics come from: Prometheus, if there is one."""
    if settings.prometheus_url:
        return StackMetrics(settings.prometheus_url, hub.nudge)
    return EmbeddedMetrics(service_urls(settings), hub.nudge, is_watched=lambda: hub.has_listeners)


def _arrived(hub: Hub, source: MetricsSource, topic: str) -> None:
    """There are new traces or logs: browsers show them, and there may be traffic again."""
    hub.nudge(topic)
    source.wake()


def _telemetry(
    settings: DashboardSettings,
    arrived: Callable[[str], None],
    registry: CollectorRegistry,
    drops: DroppedCounts,
    senders: AllowedSenders,
) -> TelemetrySource:
    """Where traces and logs come from: Jaeger and Loki, if there are, or what is sent here, kept in
    memory; /metrics says how full that is."""
    if settings.jaeger_url:
        return StackTraces(settings.jaeger_url, settings.loki_url, arrived, dropped=drops.now)
    memory = TelemetryStore()
    memory.export(registry)
    port = settings.otlp_grpc_port
    return EmbeddedTraces(
        memory,
        arrived,
        sent_to=sent_to(settings),
        dropped=drops.now,
        grpc=(settings.host, port) if port else None,
        folder=settings.folder("telemetry"),
        senders=senders,
    )


def _actions(
    settings: DashboardSettings,
    services: dict[str, Peer],
    state: DashboardState,
    drafts: PolicyDrafts,
    reports: ReportWriter,
    operated: Operated,
) -> dict[str, Action]:
    """What a visitor can do, by the last part of its URL."""
    orders = OrderActions(settings, OrderClient(services["order"]), state)
    acquirer = AcquirerActions(services["acquirer"], state)
    wallets = WalletActions(WalletClient(services["wallet"], settings.wallet_api_key))
    events = EventActions(
        EventsClient(services["relay"]), WebhooksClient(services["webhook_sender"])
    )
    return {
        "order": orders.place,
        "cancel": orders.cancel,
        "gremlin": operated.gremlins.switch,
        "calm": operated.gremlins.calm,
        "restart": operated.processes.restart,
        "policy": drafts.give,
        "report": ReportActions(reports).write,
        "traffic": operated.traffic.turn,
        "load": operated.profiles.turn,
        "mode": acquirer.set_mode,
        "webhook-fault": acquirer.set_fault,
        "deposit": wallets.deposit,
        "transfer": wallets.transfer,
        "pay": wallets.pay,
        "replay": events.replay,
        "replay-webhook": events.replay_webhook,
    }


def _for_browsers(
    handlers: list[HTTPRouteHandler], state: DashboardState
) -> list[HTTPRouteHandler]:
    """Errors on these routes are pages to read, not problem documents; a GET makes no trace, and
    shows what is so now even where nobody has looked for a while."""

    async def begin(request: Request[Any, Any, Any]) -> None:
        await begin_page(request)
        await state.fresh()

    for handler in handlers:
        handler.exception_handlers = {Exception: show_problem}
        handler.guards = [page_guard, *(handler.guards or ())]
        if "GET" in handler.http_methods:
            handler.before_request = begin
    return handlers
