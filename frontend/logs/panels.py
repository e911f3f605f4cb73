"""The panel of logs: what its URL asks for, and the tail that answers it."""

from functools import partial

from frontend.live_state import DashboardState
from frontend.logs import presenter
from frontend.logs.view_models import LogFilter, LogsView
from frontend.web.filters import Select, field, filtered_url, select
from frontend.web.gaps import silence, unsent
from frontend.web.pages import HttpRequest
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.logs import LogQuery
from topology import NAMES

LEVELS = ("INFO", "WARNING", "ERROR")
_MOST_LINES = 200


def logs_panel(wanted: LogFilter, view: LogsView | Down) -> Panel:
    """The tail of lines; its URL carries the filters."""
    return Panel("logs/logs.html", ("logs",), lambda _: view, filtered_url("/panels/logs", wanted))


def log_filter(request: HttpRequest) -> LogFilter:
    """The filters of the URL; unknown values are ignored."""
    wanted = partial(field, request)
    level = wanted("level").upper()
    return LogFilter(
        service=NAMES.get(wanted("service"), wanted("service")),
        level=level if level in LEVELS else "",
        text=wanted("text"),
        trace=wanted("trace").lower(),
    )


def log_query(wanted: LogFilter) -> LogQuery:
    """The same for the store."""
    return LogQuery(wanted.service, wanted.level, wanted.text, wanted.trace, limit=_MOST_LINES)


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
    tail = await telemetry.tail(log_query(wanted))
    if isinstance(tail, Down):
        return tail
    return presenter.logs(
        tail,
        wanted=wanted,
        silent=silence(telemetry, state.source),
        unsent=unsent(telemetry.dropped()),
        elsewhere=telemetry.sent_to(),
    )
