"""The panels of the timeline: every incident, and the newest reaction in one line."""

from datetime import datetime

from frontend.live_state import DashboardState
from frontend.timeline import narrative
from frontend.web.panels import Panel
from observatory.sources.down import Down


def timeline_panels(state: DashboardState) -> list[Panel]:
    """Both are read from memory."""

    def timeline(now: datetime) -> object:
        incidents = state.incidents.now()
        return incidents if isinstance(incidents, Down) else narrative.timeline(incidents, now)

    def reaction(_: datetime) -> object:
        incidents = state.incidents.now()
        return incidents if isinstance(incidents, Down) else narrative.reaction(incidents)

    return [
        Panel("timeline/timeline.html", ("gremlins", "metrics"), timeline),
        Panel("timeline/reaction.html", ("gremlins", "metrics"), reaction),
    ]
