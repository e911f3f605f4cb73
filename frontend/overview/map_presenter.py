"""From what is known of each process, and of the calls between them, to the map; pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from math import log2

from msgspec import Struct
from msgspec.structs import replace

from frontend.overview.map_layout import MapLayout, MapPath, lay_out
from frontend.overview.presenter import bites, light
from frontend.overview.view_models import Dot, MapCall, MapEdge, MapNode, MapView
from frontend.query_results import ActiveGremlin
from frontend.web.formatting import count, percent, share, span
from frontend.web.labels import State
from observatory.metrics.call_graph import EVENTS, CallStats
from observatory.sla import Traffic
from observatory.sources.down import Down
from observatory.sources.event_progress import LATE_S, EventProgress
from observatory.sources.health import Health
from topology import LABELS, NAMES, SERVICES, Process

# A line's width in pixels: that of one call now and then, and of as many as there may be.
_THIN, _THICK, _BITTEN = 1.5, 9.0, 4.0
# What is said of a process that is no part of the shop, which promises nothing in its name.
_OUTSIDE = "Answers"


class Readings(Struct, frozen=True):
    """All that the map shows, as it was read last. `calls` is None where spans are kept elsewhere;
    `p99_s` and `breakers` are asked by the key of a process."""

    traffic: Callable[[str], Traffic | Down]
    p99_s: Callable[[str], float | None]
    breakers: Callable[[str], Mapping[str, bool]]
    calls: Mapping[tuple[str, str], CallStats] | None = None
    active: tuple[ActiveGremlin, ...] | Down = ()
    health: tuple[Health, ...] | Down = ()
    progress: EventProgress | Down | None = None


def service_map(read: Readings, now: datetime) -> MapView:
    """The map as it is now; it stands there even if nothing can be read."""
    layout = lay_out()
    edges = tuple(_edge(each, layout, read) for each in layout.lines)
    note = "" if read.calls is not None else "Calls are not counted here: spans are sent elsewhere."
    box = f"0 0 {layout.width:g} {layout.height}"
    return MapView(nodes(read, now), edges, box, database(read.health), note)


def nodes(read: Readings, now: datetime) -> tuple[MapNode, ...]:
    """Every process."""
    return tuple(node(each, read, now) for each in SERVICES)


def node(each: Process, read: Readings, now: datetime) -> MapNode:
    """One process."""
    known = () if isinstance(read.health, Down) else read.health
    health = next((found for found in known if found.service == each.key), Health(each.key))
    make = _background if each.is_background else _front
    made = make(each, health.problem, read)
    if made.state == "good" and not all(well for _, well, _ in health.dependencies):
        made = replace(made, state="degraded", mark="degraded", word="degraded")
    breakers = read.breakers(each.key)
    opened = sorted(name for name, is_open in breakers.items() if is_open)
    breaker = f"open: {', '.join(filter(None, opened)) or 'the gateway'}" if opened else "closed"
    biting = () if isinstance(read.active, Down) else read.active
    ends = [one.expires_at for one in biting if one.service == each.key and one.expires_at > now]
    return replace(
        made,
        breaker=f"breaker {breaker}" if breakers else "",
        is_open=bool(opened),
        bitten_by=bites(each.key, read.active) if ends else (),
        remaining_s=round((max(ends) - now).total_seconds()) if ends else 0,
        calls=tuple(
            MapCall(LABELS[callee], _figures(_stats(each.key, callee, "call", read)))
            for callee in each.calls
            if callee in LABELS
        ),
        is_background=each.is_background,
    )


def _front(each: Process, problem: str, read: Readings) -> MapNode:
    """A process that somebody waits for."""
    traffic = read.traffic(each.key)
    shown = light(each.key, traffic)
    state, mark, word = shown.state, shown.mark, shown.word
    if each.is_outside and state != "none":
        state, mark, word = "good", "good", _OUTSIDE
    # Where it is slow or fails already, that says more than a health check that waits for it.
    if problem and state != "failed":
        state, mark, word = "failed", "failed", problem
    if isinstance(traffic, Down) or not traffic.requests:
        return MapNode(each.key, each.label, state, mark, word)
    figures = [rate(traffic.per_second)]
    if (slowest := read.p99_s(each.key)) is not None:
        figures.append(_ms(slowest))
    failed = traffic.errors / traffic.requests
    failing = f"{_part(failed)} fail" if failed > 0 else ""
    return MapNode(each.key, each.label, state, mark, word, tuple(figures), failing)


def _background(each: Process, problem: str, read: Readings) -> MapNode:
    """A process that no customer waits for: how many events it has still to take, or, if it is the
    one that publishes them, to publish."""
    state, word = _progress(each, problem, read.progress)
    made = MapNode(each.key, each.label, state, state, word)
    stats = _stats("", each.key, "event", read)
    return made if stats is None else replace(made, figures=(rate(stats.per_second),))


def _progress(each: Process, problem: str, found: EventProgress | Down | None) -> tuple[State, str]:
    if problem:
        return "failed", problem
    if found is None or isinstance(found, Down):
        return "none", "not known"
    behind, oldest_s = found.behind_of(each.name)
    if not behind:
        return "good", "up to date"
    return ("degraded" if oldest_s > LATE_S else "good"), f"{count(behind)} behind"


def _edge(line: MapPath, layout: MapLayout, read: Readings) -> MapEdge:
    between = f"{LABELS[line.caller]} {'notifies' if line.kind == 'notice' else 'to'}"
    edge = MapEdge(
        f"{line.caller}-{line.callee}",
        line.kind,
        line.path,
        f"{between} {LABELS[line.callee]}",
        share(line.x / layout.width),
        share(line.y / layout.height),
    )
    if read.calls is None:
        return edge
    stats = _stats(line.caller, line.callee, line.kind, read)
    bitten = bool(stats and bites(line.callee, read.active))
    edge = replace(edge, is_bitten=bitten)
    if stats is None:
        return replace(edge, title=f"{edge.title}: nothing in the last half minute")
    core = min(_THICK, _THIN + log2(1 + stats.per_second))
    # The violet of a fault stands out on both sides of the red.
    width = core + _BITTEN * bitten
    if line.kind == "notice":
        # Thin: it runs behind the others, and what is sent back is no call that somebody waits for.
        core = _THIN
        width = core + bitten
    return replace(
        edge,
        title=f"{edge.title}: {_figures(stats)}",
        above=rate(stats.per_second),
        below=_ms(stats.p99_s),
        width=f"{width:.1f}",
        # The smallest share is seen as well.
        red=f"{max(1.5, core * stats.failed):.1f}" if stats.failed else "",
    )


def _stats(caller: str, callee: str, kind: str, read: Readings) -> CallStats | None:
    began = EVENTS if kind == "event" else NAMES[caller]
    return (read.calls or {}).get((began, NAMES[callee]))


def _figures(stats: CallStats | None) -> str:
    if stats is None:
        return "no calls"
    failed = f", {_part(stats.failed)} failed" if stats.failed else ""
    return f"{rate(stats.per_second)}, p99 {_ms(stats.p99_s)}{failed}"


def rate(per_second: float) -> str:
    """A rate, short: "0.03/s", "3.1/s", "12/s", "1.2k/s"."""
    if per_second >= 1000:
        return f"{per_second / 1000:.1f}k/s"
    if 0 < per_second < 0.095:
        return f"{per_second:.2f}/s"
    return f"{per_second:.1f}/s" if per_second < 9.95 else f"{per_second:.0f}/s"


def _ms(seconds: float) -> str:
    return span(round(1000 * seconds))


def _part(of_one: float) -> str:
    """A share that is not 0 is never shown as 0."""
    return percent(of_one) if of_one >= 0.005 else f"below {percent(0.01)}"


def database(health: tuple[Health, ...] | Down) -> Dot:
    """The database, as the processes that need it see it."""
    name, label = "postgres", "PostgreSQL"
    if isinstance(health, Down):
        return Dot(name, label, "none", "not known")
    seen = [
        (well, word)
        for each in health
        for dependency, well, word in each.dependencies
        if dependency == "database"
    ]
    bad = [word for well, word in seen if not well]
    if not seen:
        return Dot(name, label, "none", "not known")
    if bad:
        return Dot(name, label, "failed", f"{len(bad)} of {len(seen)} processes: {bad[0]}")
    return Dot(name, label, "good", f"{len(seen)} processes connected")
