"""The panels of acts: the progress rail on every page, the act itself, the speaker's notes."""

from collections.abc import Callable
from datetime import datetime

from frontend.acts import presenter
from frontend.acts.scenario_runner import scenario_of
from frontend.acts.view_models import ActView
from frontend.live_state import DashboardState
from frontend.settings import DashboardSettings
from frontend.web.panels import Panel
from scenarios.lock import holder

ViewAt = Callable[[datetime], ActView]


def act_panels(state: DashboardState) -> list[Panel]:
    """The slim line on every page while an act is on."""
    return [
        Panel(
            "acts/rail.html",
            ("acts",),
            lambda now: presenter.rail(state.scenario.performance, now),
        )
    ]


def act_panel(name: str, view: ViewAt) -> Panel:
    """One act, as the audience sees it."""
    return Panel("acts/act.html", ("acts",), view, f"/panels/act/{name}")


def notes_panel(name: str, view: ViewAt) -> Panel:
    """Its speaker's notes."""
    return Panel("acts/notes.html", ("acts",), view, f"/panels/notes/{name}")


async def act_view(settings: DashboardSettings, state: DashboardState, name: str) -> ViewAt:
    """The act of this name: as it is played here, or as it lies in its file."""
    current = state.scenario.performance
    if current is not None and current.scenario.name == name:
        return lambda now: presenter.act(current, now)
    scenario = scenario_of(name)
    elsewhere = None if state.scenario.is_on else await holder(settings.database_url)
    view = presenter.idle(scenario, current, elsewhere)
    return lambda _: view
