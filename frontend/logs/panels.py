"""The panel of logs: what its URL asks for, and the tail that answers it."""

from chassis.http.problems import Problem
from frontend.live_state import DashboardState
from frontend.logs import presenter
from frontend.logs.search import log_query
from frontend.logs.view_models import LogFilter, LogsView
from frontend.web.filters import Select, filtered_url, mistake_of, select
from frontend.web.formatting import utc_now
from frontend.web.gaps import silence, unsent
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource


def logs_panel(wanted: LogFilter, view: LogsView | Down) -> Panel:
    """The tail of lines; its URL carries the filters."""
    return Panel("logs/logs.html", ("logs",), lambda _: view, filtered_url("/panels/logs", wanted))


def log_selects(services: tuple[tuple[str, int], ...], wanted: LogFilter) -> tuple[Select, ...]:
    """What the tail can be filtered by, beside text and trace."""
    levels = (("INFO", "INFO and above"), ("WARNING", "WARNING and above"), ("ERROR", "ERROR"))
    return (
        select("service", "Service", wanted.service, services),
        Select("level", "Level", wanted.level, levels),
    )


async def logs_view(
    telemetry: TelemetrySource, state: DashboardState, wanted: LogFilter
) -> LogsView | Down:
    """The tail as it is now."""
    try:
        query = log_query(wanted, utc_now())
    except Problem as problem:
        return presenter.no_lines(mistake_of(problem))
    tail = await telemetry.tail(query)
    if isinstance(tail, Down):
        return tail
    return presenter.logs(
        tail,
        wanted=wanted,
        silent=silence(telemetry, state.source),
        unsent=unsent(telemetry.dropped()),
        elsewhere=telemetry.sent_to(),
    )
