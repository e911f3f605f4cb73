"""The panels of the overview: health, lights, headline figures, the proof."""

from frontend.live_state import DashboardState
from frontend.overview import presenter
from frontend.overview.proof_presenter import proof
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel


def overview_panels(state: DashboardState) -> list[Panel]:
    """All of them are read from memory."""

    return [
        Panel("overview/health.html", ("health",), lambda _: presenter.health(state.health.now())),
        Panel(
            "overview/lights.html",
            ("metrics", "gremlins", "flow"),
            lambda _: presenter.lights(
                state.source.traffic,
                state.gremlins.now(),
                utc_now(),
                progress=state.live.progress.now(),
                health=state.health.now(),
            ),
        ),
        Panel(
            "overview/figures.html",
            ("shop",),
            lambda _: presenter.figures(state.shop.now(), state.shop.last),
        ),
        Panel("overview/proof.html", ("proof",), lambda _: proof(state.report())),
    ]
