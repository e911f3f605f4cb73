"""The panels of traces: what their URL asks for, and the view that answers it."""

from functools import partial

from msgspec.structs import replace

from frontend.live_state import DashboardState
from frontend.traces import presenter, waterfall
from frontend.traces.view_models import NoTrace, TraceFilter, TracesView, TraceView
from frontend.web.filters import Select, field, filtered_url, select
from frontend.web.formatting import utc_now
from frontend.web.gaps import silence, unsent
from frontend.web.pages import HttpRequest
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.model import moment
from observatory.store.store import FilterChoices, TraceQuery
from topology import NAMES

KINDS = ("recent", "slowest", "failed", "bitten")
OUTCOMES = {
    "2xx": "2xx good",
    "4xx": "4xx refused",
    "5xx": "5xx failed",
    "cut": "cut off",
    "none": "no HTTP",
}
_MOST_TRACES = 50
# Behind a light: a customer's request and some retries of it, for as many requests.
_MOST_BEHIND_A_LIGHT = 4 * _MOST_TRACES


def traces_panel(wanted: TraceFilter, view: TracesView | Down) -> Panel:
    """The list of traces; its URL carries the filters."""
    url = filtered_url("/panels/traces", wanted)
    return Panel("traces/traces.html", ("traces",), lambda _: view, url)


def trace_panel(trace_id: str, view: TraceView | NoTrace | Down) -> Panel:
    """One trace; its URL carries the id."""
    url = f"/panels/trace/{trace_id}"
    return Panel("traces/trace.html", ("traces", "logs"), lambda _: view, url)


def trace_filter(request: HttpRequest) -> TraceFilter:
    """The filters of the URL; unknown values are ignored."""
    wanted = partial(field, request)
    return TraceFilter(
        kind=wanted("kind") if wanted("kind") in KINDS else "recent",
        service=NAMES.get(wanted("service"), wanted("service")),
        route=wanted("route"),
        outcome=wanted("outcome") if wanted("outcome") in OUTCOMES else "",
        gremlin=wanted("gremlin"),
        order=wanted("order"),
        since=wanted("since") if _since(wanted("since")) else "",
    )


def trace_selects(choices: FilterChoices, wanted: TraceFilter) -> tuple[Select, ...]:
    """What the list of traces can be filtered by."""
    selects = (
        select("service", "Service", wanted.service, choices.services),
        select("route", "Route", wanted.route, choices.routes),
        Select("outcome", "Outcome", wanted.outcome, tuple(OUTCOMES.items())),
        select("gremlin", "Gremlin", wanted.gremlin, choices.gremlins),
    )
    return tuple(each for each in selects if each.values)


async def traces_view(
    telemetry: TelemetrySource, state: DashboardState, wanted: TraceFilter
) -> TracesView | Down:
    """The list as it is now."""
    query = TraceQuery(
        kind=wanted.kind,  # type: ignore[arg-type]  # one of KINDS
        service=wanted.service,
        route=wanted.route,
        outcome=wanted.outcome,
        gremlin=wanted.gremlin,
        order_id=wanted.order,
        limit=_MOST_BEHIND_A_LIGHT if wanted.since else _MOST_TRACES,
        since_ns=_since(wanted.since) * 10**9,
    )
    found = await telemetry.find(query)
    if isinstance(found, Down):
        return found
    return presenter.traces(
        found,
        kind=wanted.kind,
        filtered=wanted != TraceFilter(kind=wanted.kind),
        limit=query.limit,
        since=moment(query.since_ns) if wanted.since else None,
        silent=silence(telemetry, state.source),
        unsent=unsent(telemetry.dropped()),
        elsewhere=telemetry.sent_to(),
    )


def _since(text: str) -> int:
    """Seconds since the epoch; 0 for what is no such moment of the past or the near future."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0


async def trace_view(telemetry: TelemetrySource, trace_id: str) -> TraceView | NoTrace | Down:
    """One trace as it is now."""
    whole = await telemetry.trace(trace_id)
    if isinstance(whole, Down):
        return whole
    if whole.waterfall is None:
        return NoTrace(trace_id, whole.kept, elsewhere=telemetry.sent_to())
    return replace(waterfall.waterfall(whole.waterfall, utc_now()), unread=whole.unread)
