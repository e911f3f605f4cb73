"""The panels of one process: how it is, and what it did last."""

import asyncio
from datetime import datetime, timedelta

from chassis.http.problems import Problem
from fleet.client import POSTGRES
from frontend.live_state import DashboardState
from frontend.logs.presenter import log_row
from frontend.overview import map_presenter, presenter
from frontend.overview.panels import readings
from frontend.overview.view_models import Dot, MapNode, ServiceDot
from frontend.processes.view_models import EvidenceView, ProcessView
from frontend.traces.presenter import trace_lines
from frontend.traces.view_models import TraceLine
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.logs import LogQuery
from observatory.store.trace_search import TraceQuery
from topology import LABELS, NAMES, SERVICES, find

_MOST_TRACES, _MOST_LINES = 4, 12
# The slowest of an hour ago says little about now.
_TRACES_OF = timedelta(minutes=5)


def known_key(key: str) -> str:
    """The key of a process that has a page; `Problem` 404 for any other."""
    if key not in NAMES and key != POSTGRES:
        known = ", ".join((*NAMES, POSTGRES))
        raise Problem(404, "not-found", f"There is no such process; there are: {known}.")
    return key


def about_panel(state: DashboardState, telemetry: TelemetrySource, key: str) -> Panel:
    """How a process is."""
    return Panel(
        "processes/about.html",
        ("metrics", "gremlins", "flow", "health"),
        lambda now: _about(state, telemetry, key, now),
        f"/panels/about/{key}",
    )


def evidence_panel(key: str, view: EvidenceView) -> Panel:
    """What a process did last."""
    return Panel(
        "processes/evidence.html", ("traces", "logs"), lambda _: view, f"/panels/evidence/{key}"
    )


def _about(
    state: DashboardState, telemetry: TelemetrySource, key: str, now: datetime
) -> ProcessView:
    read = readings(state, telemetry, now)
    if key == POSTGRES:
        found = map_presenter.database(read.health)
        node = MapNode(key, found.label, found.state, found.state, found.word)
        return ProcessView(node, "the database of every process")
    health = presenter.health(read.health)
    services = () if isinstance(health, Down) else health.services
    return ProcessView(
        map_presenter.node(find(key), read, now),
        NAMES[key],
        next((_dependencies(each) for each in services if each.key == key), ()),
        tuple(LABELS[each.key] for each in SERVICES if key in each.calls),
    )


def _dependencies(shown: ServiceDot) -> tuple[Dot, ...]:
    """Also of one that does not say: without a line for them all below would move up."""
    if shown.dot.state == "failed":
        return (Dot(shown.dot.name, "dependencies", "none", "not known"),)
    return shown.dependencies


async def evidence(telemetry: TelemetrySource, key: str) -> EvidenceView:
    """The newest that is kept."""
    name = NAMES[key]
    slowest, failed, tail = await asyncio.gather(
        _traces(telemetry, TraceQuery(kind="slowest", service=name, since_ns=_since_ns())),
        _traces(telemetry, TraceQuery(kind="failed", service=name, since_ns=_since_ns())),
        telemetry.tail(LogQuery(service=name, limit=_MOST_LINES)),
    )
    lines = tail if isinstance(tail, Down) else tuple(map(log_row, reversed(tail.lines)))
    return EvidenceView(key, name, slowest, failed, lines)


async def _traces(telemetry: TelemetrySource, query: TraceQuery) -> tuple[TraceLine, ...] | Down:
    found = await telemetry.find(query)
    return found if isinstance(found, Down) else trace_lines(found.rows[:_MOST_TRACES])


def _since_ns() -> int:
    return int((utc_now() - _TRACES_OF).timestamp()) * 10**9
