"""The panels of the overview: health, the map, lights, headline figures, the proof."""

from datetime import datetime

from frontend.live_state import DashboardState
from frontend.overview import presenter
from frontend.overview.map_presenter import Readings, nodes, service_map
from frontend.overview.proof_presenter import proof
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.protocols import TelemetrySource


def overview_panels(state: DashboardState, telemetry: TelemetrySource) -> list[Panel]:
    """All of them are read from memory."""
    return [
        Panel(
            "overview/health.html",
            ("health", "metrics"),
            lambda now: presenter.health(
                state.health.now(), nodes(readings(state, telemetry, now), now)
            ),
        ),
        Panel(
            "overview/map.html",
            ("metrics", "gremlins", "flow", "health"),
            lambda now: service_map(readings(state, telemetry, now), now),
        ),
        Panel(
            "overview/lights.html",
            ("metrics", "gremlins"),
            lambda _: presenter.lights(state.source.traffic, state.gremlins.now(), utc_now()),
        ),
        Panel(
            "overview/figures.html",
            ("shop",),
            lambda _: presenter.figures(state.shop.now(), state.shop.last),
        ),
        Panel("overview/proof.html", ("proof",), lambda _: proof(state.report())),
    ]


def readings(state: DashboardState, telemetry: TelemetrySource, now: datetime) -> Readings:
    """What is known of every process at this moment."""
    return Readings(
        traffic=state.source.traffic,
        p99_s=lambda key: state.source.points(key, (now.timestamp(),))[0].p99,
        breakers=state.source.breakers,
        calls=telemetry.calls(),
        active=state.gremlins.now(),
        health=state.health.now(),
        progress=state.live.progress.now(),
    )
