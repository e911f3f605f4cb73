"""What every service is made of: its routes, the shared ones, error responses, loops, the edge."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from google.protobuf.descriptor import ServiceDescriptor
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.datastructures import State
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    NotFoundException,
    ValidationException,
)
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from chassis.contracts.checks import ContractMetrics
from chassis.contracts.routes import contracts_of
from chassis.database.pool import (
    CallerGone,
    CommitUnknown,
    Database,
    DatabaseBusy,
    DatabaseConflict,
    DatabaseDown,
    DatabaseFull,
    LockNotFree,
    effects_now,
    log_failure,
)
from chassis.faults.gremlins import Gremlins
from chassis.faults.routes import gremlin_routes
from chassis.http.asgi import App
from chassis.http.brake import Brake
from chassis.http.edge import Edge
from chassis.http.health import Probe, database_probe, health_routes, ready_probes, shop_probe
from chassis.http.metrics import HttpMetrics
from chassis.http.misfit import plain
from chassis.http.openapi import OpenApiJson
from chassis.http.parameters import query_guard
from chassis.http.problems import MEDIA_TYPE, Problem, invalid_parameter, note, shed
from chassis.http.route_templates import Routes
from chassis.http.schema_page import CONTENT_SECURITY_POLICY, PlainPage
from chassis.http.shop_identity import ShopIdentity, shop_routes
from chassis.identity.caller import Callers
from chassis.identity.keys import PublishedKeys
from chassis.identity.owners import OPEN, caller_guard
from chassis.service_credential import ServiceCredential
from chassis.settings import RpcSettings, Settings
from chassis.telemetry.process_metrics import process_metrics

logger = logging.getLogger(__name__)

Loop = Callable[[], Awaitable[None]]
Close = Callable[[], Awaitable[None]]
_RESTART_S = 1.0


def service_app(
    *,
    name: str,
    title: str,
    settings: Settings,
    registry: CollectorRegistry,
    routes: Sequence[BaseRouteHandler],
    database: Database | None = None,
    identity: ShopIdentity | None = None,
    gremlins: Gremlins | None = None,
    metrics: HttpMetrics | None = None,
    schema_revision: str = "",
    dependencies: Mapping[str, Probe] | None = None,
    callees: Mapping[str, Probe] | None = None,
    rpc: ServiceDescriptor | None = None,
    loops: Sequence[Loop] = (),
    closes: Sequence[Close] = (),
    token_keys: PublishedKeys | None = None,
    state: Mapping[str, object] | None = None,
    **litestar: Any,
) -> Edge:
    """Compose a service. Pure: nothing is opened, started or read until the lifespan begins.
    `dependencies` are asked for health, `callees` for readiness; `loops` run to the end and start
    again when they fail; `closes` run then; `state` is for handlers, `rpc` served over gRPC;
    `metrics` are those of a process that counts requests which it does not serve itself."""
    callers = Callers(name, settings, token_keys)
    own = process_metrics(name, database, registry).run, ContractMetrics(name, registry).run
    all_loops, all_closes = [*loops, *own, callers.keys.run], list(closes)
    health, ready = dict(dependencies or {}), dict(callees or {})
    if database is not None:
        health = {"database": shop_probe(database_probe(database, identity), identity)} | health
        # Readiness asks on connections that no gremlin slows, so that a restart comes up under one.
        calm = gremlins.controls if gremlins is not None else database
        ready |= ready_probes(calm, identity, schema_revision)
        all_closes.append(database.close)
    if gremlins is not None:
        all_loops, all_closes = [*all_loops, gremlins.run], [*all_closes, gremlins.close]
        gremlins.slows(*filter(None, [database]))
    probes = health_routes(name, health, ready, settings.probe_deadline_s)
    app = Litestar(
        route_handlers=[*routes, *probes, *_shared(registry, identity, gremlins)],
        lifespan=[_lifespan(all_loops, all_closes)],
        request_max_body_size=settings.body_limit_bytes,
        state=State(_known(settings, identity) | dict(state or {})),
        openapi_config=_openapi(title),
        logging_config=None,
        **(_OF_EVERY | litestar),
    )
    counted = metrics or HttpMetrics(name, registry)
    return _edged(app, name, settings, counted, gremlins, callers, rpc)


def _shared(
    registry: CollectorRegistry, identity: ShopIdentity | None, gremlins: Gremlins | None
) -> list[BaseRouteHandler]:
    return [
        _metrics_route(registry),
        *(shop_routes if identity is not None else []),
        *(gremlin_routes(gremlins) if gremlins is not None else []),
    ]


def _known(settings: Settings, identity: ShopIdentity | None) -> dict[str, object]:
    """What every service keeps for its handlers and guards."""
    credential = ServiceCredential(settings)
    return {
        "settings": settings,
        "identity": identity,
        "brake": Brake(),
        "service_credential": credential,
    }


def _openapi(title: str) -> OpenAPIConfig:
    router = Router(
        "/schema",
        route_handlers=[],
        include_in_schema=False,
        dto=None,
        return_dto=None,
        response_headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )
    return OpenAPIConfig(
        title=title, version="1", openapi_router=router, render_plugins=[PlainPage(), OpenApiJson()]
    )


def _edged(
    app: Litestar,
    name: str,
    settings: Settings,
    metrics: HttpMetrics,
    gremlins: Gremlins | None,
    callers: Callers,
    rpc: ServiceDescriptor | None,
) -> Edge:
    # The framework's own routes are HTTP routes all: nothing here serves raw ASGI or WebSockets.
    templates = Routes({route.path_format: getattr(route, "methods", ()) for route in app.routes})
    if gremlins is not None:
        gremlins.known_routes = gremlins.known_routes or templates.known
    edge = Edge(
        cast("App", app),
        service=name,
        settings=settings,
        metrics=metrics,
        routes=templates,
        gremlins=gremlins,
        contracts=contracts_of(app.routes),
        callers=callers,
    )
    if rpc is not None and isinstance(settings, RpcSettings):
        edge.rpc = rpc, settings
    return edge


def _lifespan(loops: list[Loop], closes: list[Close]) -> Any:
    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_keep_running(loop)) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for close in closes:
                try:
                    await close()
                except Exception:  # one bad close must not keep the others open
                    logger.exception("closing failed")

    return lifespan


async def _keep_running(loop: Loop) -> None:
    while True:
        try:
            return await loop()
        except Exception as error:  # noqa: BLE001 - the loop outlives any fault
            log_failure(logger, "background work failed; starting it again", error)
            await asyncio.sleep(_RESTART_S)


def _metrics_route(registry: CollectorRegistry) -> BaseRouteHandler:
    @get(
        "/metrics",
        summary="Prometheus metrics (OpenMetrics with exemplars when asked for)",
        media_type=MediaType.TEXT,
        # Counts, for whoever scrapes them.
        opt=OPEN,
    )
    async def show_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return show_metrics


def answer_exception(
    request: Request[Any, Any, Any], error: Exception, *, spell: Callable[[str], str] = str
) -> Response[bytes]:
    """Every exception as problem+json; nothing internal leaves the process. `spell` is how a
    service writes a code in the problem's `error` member."""
    problem = as_problem(error, request)
    if problem.status >= 500 and problem.code == "internal":
        logger.error("a handler failed", exc_info=error)
    note(problem)
    return Response(
        problem.body(error_code=spell(problem.code)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


# What every service is made with, unless it says otherwise.
_OF_EVERY: dict[str, Any] = {
    "guards": [caller_guard, query_guard],
    "exception_handlers": {Exception: answer_exception},
}
_CODES = {401: "unauthorized", 403: "forbidden", 405: "method-not-allowed", 413: "too-large"}
_BROKEN = Problem(500, "internal", "Something broke on our side; the trace shows what")
# What the framework says where a body was read that whoever sent it has left.
_LEFT = "client disconnected prematurely"
_UNKNOWN = "The database connection broke: look again with the same key or id"
_PARTLY = "The database went away after a part was done: look again with the same key or id"
_SLOW = "The database took too long; what was done before stays: look again with the same key or id"
_CONFLICT = "Two requests waited for each other: ask again with the same key or id"
# What certainly was not executed says so in its response; what may have been must not.
_PROBLEMS: list[tuple[tuple[type[Exception], ...], Callable[[], Problem]]] = [
    ((DatabaseBusy,), lambda: shed("The database is busy; nothing was done", code="database-busy")),
    (
        (DatabaseDown,),
        lambda: shed("The database cannot be reached; nothing was done", code="database-down"),
    ),
    (
        (DatabaseFull,),
        lambda: shed("The database has no room left; nothing was done", code="database-full"),
    ),
    (
        (CallerGone,),
        lambda: Problem(504, "caller-gone", "Your time was up; rolled back", retryable=True),
    ),
    (
        (CommitUnknown, asyncpg.OperatorInterventionError, ConnectionError),
        lambda: Problem(500, "outcome-unknown", _UNKNOWN, retryable=True),
    ),
    (
        (LockNotFree,),
        lambda: Problem(500, "database-slow", _SLOW, retryable=True),
    ),
    (
        (DatabaseConflict,),
        lambda: Problem(500, "database-conflict", _CONFLICT, retryable=True),
    ),
    ((NotFoundException,), lambda: Problem(404, "not-found", "There is nothing at this address")),
]


_NOTHING_DONE = (DatabaseBusy, DatabaseDown, DatabaseFull)


def as_problem(error: Exception, request: Request[Any, Any, Any] | None = None) -> Problem:
    """The protocol's bad-input table for what was not raised as a `Problem` already; `request` says
    what its client calls a parameter that has another name in the code."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, _NOTHING_DONE) and (effects := effects_now.get()) and effects.any:
        return Problem(500, "outcome-unknown", _PARTLY, retryable=True)
    for kinds, make in _PROBLEMS:
        if isinstance(error, kinds):
            return make()
    if isinstance(error, InternalServerException) and error.detail == _LEFT:
        return Problem(400, "body-incomplete", "The connection closed before the request's end")
    if isinstance(error, ValidationException):
        return _invalid_parameters(error, {} if request is None else _parameters(request))
    if isinstance(error, HTTPException) and error.status_code < 500:
        code = _CODES.get(error.status_code, "bad-request")
        return Problem(error.status_code, code, error.detail, headers=dict(error.headers or {}))
    return _BROKEN


def _parameters(request: Request[Any, Any, Any]) -> dict[str, tuple[str, Any]]:
    """By its name in the code, what a parameter is called on the wire, and what it takes."""
    parameters = request.route_handler.parsed_fn_signature.parameters
    return {
        key: (getattr(each.kwarg_definition, "name", None) or key, each.annotation)
        for key, each in parameters.items()
    }


def _invalid_parameters(
    error: ValidationException, known: Mapping[str, tuple[str, Any]]
) -> Problem:
    # Of one that is missing the framework says its name on the wire, and that in its cause alone.
    if isinstance(error.__cause__, KeyError):
        return invalid_parameter(str(error.__cause__.args[0]), "is missing")
    found = [item for item in error.extra if isinstance(item, dict)] if error.extra else []
    # A body that is absent, or that was not even read because a parameter is wrong, is "data".
    items = [item for item in found if item.get("key") != "data"]
    if found and not items:
        return Problem(400, "malformed", "The body is empty; a JSON object is expected")
    details = []
    for item in items:
        key = str(item.get("key", ""))
        name, shape = known.get(key, (key, Any))
        message = plain(str(item.get("message", "")), shape)[:500]
        details.append({"pointer": f"/{name}", "message": message})
    detail = "; ".join(f"{each['pointer'][1:]}: {each['message']}" for each in details)
    return Problem(400, "validation", detail or "A parameter does not fit", details=details)
