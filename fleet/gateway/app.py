"""Composes the gateway's agent."""

import asyncio
import logging
from collections.abc import Sequence

import aiohttp
from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from prometheus_client import CollectorRegistry

from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.metrics import HttpMetrics
from chassis.http.problems import shed
from chassis.identity.owners import OPEN
from chassis.messaging.doorbell import Doorbell
from fleet.gateway import doors
from fleet.gateway.access_log import AccessLog
from fleet.gateway.envoy import Envoy
from fleet.gateway.faults import GatewayGremlins, runtime
from fleet.gateway.settings import GatewaySettings
from topology import find

logger = logging.getLogger(__name__)

PROCESS = find("gateway")
LABELS = tuple(doors.label(*each) for each in doors.every())
_AGAIN_S = 0.1


def create_app(settings: GatewaySettings) -> Edge:
    """The agent as an ASGI app. Pure: Envoy starts with the lifespan."""
    registry = CollectorRegistry()
    metrics = HttpMetrics(PROCESS.name, registry)
    schema = PROCESS.schema or ""
    paths = (label.partition(" ")[2] for label in LABELS)
    gremlins = GatewayGremlins(PROCESS.name, schema, settings, registry, routes=paths)
    log = AccessLog(frozenset(LABELS), metrics, gremlins)
    envoy = Envoy(settings, log, started=gremlins.changed.set)
    return service_app(
        name=PROCESS.name,
        title="Valerix gateway",
        settings=settings,
        registry=registry,
        metrics=metrics,
        routes=ROUTES,
        gremlins=gremlins,
        dependencies={"envoy": envoy.probe},
        callees={"envoy": envoy.probe} if envoy.is_installed else {},
        loops=[
            envoy.run,
            _GremlinsInEnvoy(envoy, gremlins).run,
            Doorbell(gremlins.controls, [gremlins.controls]).run,
        ],
        closes=[envoy.stop],
        state={"envoy": envoy},
    )


class _GremlinsInEnvoy:
    """Keeps Envoy's runtime equal to what is loose, also after either has changed."""

    def __init__(self, envoy: Envoy, gremlins: Gremlins) -> None:
        self._envoy, self._gremlins = envoy, gremlins
        self._known: tuple[int, dict[str, str]] = (0, {})

    async def run(self) -> None:
        """For ever. What cannot be written now is written next time."""
        while True:
            self._gremlins.changed.clear()
            wanted = self._envoy.starts, runtime(self._gremlins.active, LABELS)
            if wanted != self._known:
                try:
                    await self._envoy.change(self._changes(wanted))
                    self._known = wanted
                except (OSError, aiohttp.ClientError) as error:
                    logger.debug("envoy cannot be changed yet", extra={"why": str(error)})
                    await asyncio.sleep(_AGAIN_S)
                    continue
            await self._gremlins.changed.wait()

    def _changes(self, wanted: tuple[int, dict[str, str]]) -> dict[str, str]:
        (starts, values), (known_starts, known) = wanted, self._known
        if starts != known_starts:
            return values
        return {key: value for key, value in values.items() if known.get(key) != value}


@get(
    "/metrics/envoy",
    media_type=MediaType.TEXT,
    summary="Envoy's own metrics, for Prometheus",
    opt=OPEN,
)
async def show_envoy(state: State) -> Response[str]:
    """GET /metrics/envoy: what Envoy counted, as it writes it."""
    envoy: Envoy = state["envoy"]
    try:
        return Response(await envoy.ask("GET", "/stats/prometheus?usedonly"))
    except (OSError, aiohttp.ClientError) as error:
        raise shed("Envoy does not answer; it is being started", code="envoy-away") from error


ROUTES: Sequence[BaseRouteHandler] = (show_envoy,)
