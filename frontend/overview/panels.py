"""The panels of the overview: health, lights, headline figures, the proof."""

from frontend.live_state import DashboardState
from frontend.overview import presenter
from frontend.overview.proof_presenter import proof
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.down import Down


def overview_panels(state: DashboardState) -> list[Panel]:
    """All of them are read from memory."""

    def figures() -> object:
        shop = state.shop.now()
        return shop if isinstance(shop, Down) else shop.figures

    return [
        Panel("overview/health.html", ("health",), lambda _: presenter.health(state.health.now())),
        Panel(
            "overview/lights.html",
            ("metrics", "gremlins"),
            lambda _: presenter.lights(state.source.traffic, state.gremlins.now(), utc_now()),
        ),
        Panel("overview/figures.html", ("shop",), lambda _: figures()),
        Panel("overview/proof.html", ("proof",), lambda _: proof(state.report())),
    ]
