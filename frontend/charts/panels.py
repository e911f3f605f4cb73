"""The panel of charts: what its address asks for, and what was counted then."""

from collections.abc import Sequence

from chassis.http.problems import Problem, invalid_parameter
from frontend.charts import presenter
from frontend.charts.view_models import ChartsFilter, ChartsView
from frontend.live_state import DashboardState
from frontend.web.filters import bounds_of, field, filtered_url, mistake_of
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest
from frontend.web.panels import Panel
from observatory.sources.protocols import TelemetrySource
from topology import LIT, NAMES

# As far back as what was counted is kept, and the least that a scrape every two seconds fills.
REACH_S, _LEAST_S = 900.0, 60.0


def charts_panel(wanted: ChartsFilter, view: ChartsView) -> Panel:
    """The charts; its URL carries the filters."""
    url = filtered_url("/panels/charts", wanted)
    return Panel("charts/charts.html", ("metrics",), lambda _: view, url)


def charts_filter(request: HttpRequest) -> ChartsFilter:
    """The fields of the address as they are written."""
    given = {name: field(request, name) for name in ChartsFilter.__struct_fields__}
    given["service"] = NAMES.get(given["service"], given["service"])
    return ChartsFilter(**given)


def charts_view(
    state: DashboardState, telemetry: TelemetrySource, wanted: ChartsFilter
) -> ChartsView:
    """The charts as they are now, or what of the filters cannot be read."""
    try:
        return read_charts(state, telemetry, wanted)
    except Problem as problem:
        return presenter.no_charts(mistake_of(problem))


def read_charts(
    state: DashboardState, telemetry: TelemetrySource, wanted: ChartsFilter
) -> ChartsView:
    """The charts as they are now; raises `Problem` (400) for a field that cannot be read."""
    now = utc_now()
    since, until = bounds_of(wanted.time, now)
    oldest = now.timestamp() - REACH_S
    end = min(until.timestamp() if until else now.timestamp(), now.timestamp())
    if end <= oldest:
        raise invalid_parameter("until", "must be within the last 15 minutes, as charts are")
    begin = min(max(since.timestamp() if since else oldest, oldest), end - _LEAST_S)
    step = (end - begin) / presenter.COLUMNS
    moments = [begin + number * step for number in range(presenter.COLUMNS + 1)]
    unknown = _unknown(state, moments)
    received = telemetry.received()
    return presenter.charts(
        {each.key: state.source.intervals(each.key, moments) for each in LIT},
        moments,
        None if received is None else received.find(service=wanted.service, name=wanted.name),
        note="Charts reach back 15 minutes." if since and since.timestamp() < oldest - 1 else "",
        unknown=unknown,
    )


def _unknown(state: DashboardState, moments: Sequence[float]) -> int:
    """How many columns at the beginning are from before anything was counted."""
    for column, moment in enumerate(moments[1:]):
        points = (state.source.points(each.key, (moment,))[0] for each in LIT)
        if any(point.rate is not None for point in points):
            return column
    return len(moments) - 1
