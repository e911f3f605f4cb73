"""From health and traffic to the dots and the lights; pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from chassis.faults.kinds import KIND_LABELS
from frontend.overview.view_models import (
    Dot,
    FiguresView,
    HealthDots,
    Light,
    LightsView,
    MapNode,
    ServiceDot,
    Trouble,
)
from frontend.query_results import ActiveGremlin, ShopSnapshot
from frontend.web.labels import State
from observatory.sla import (
    LIGHT_LABELS,
    LIMIT_S,
    RED,
    WINDOW_S,
    LightState,
    Traffic,
    light_state,
)
from observatory.sources.down import Down
from observatory.sources.health import Health
from topology import LABELS, LIT, NAMES

# The traces that show why; an order that waits has a failed call in its trace.
_KINDS: dict[LightState, str] = {"slow": "slowest", "failing": "failed", "degraded": "failed"}

# The header has room for so many names of one trouble; more are counted, and named below it.
_NAMED = 2


def health(services: tuple[Health, ...] | Down, nodes: Iterable[MapNode] = ()) -> HealthDots | Down:
    """A dot per service and per dependency; what is wrong, once for all that have it.

    A process that is in trouble on the map is in the same trouble here: `nodes` are the map's."""
    if isinstance(services, Down):
        return services
    known = {node.key: node for node in nodes}
    dots = tuple(_as_on_map(_service_dot(each), known.get(each.service)) for each in services)
    wrong: dict[tuple[State, str], list[Dot]] = {}
    for each in dots:
        if each.dot.state != "good":
            wrong.setdefault((each.dot.state, each.dot.word), []).append(each.dot)
    troubles = (_trouble(state, word, found) for (state, word), found in wrong.items())
    return HealthDots(dots, sum(each.dot.state == "good" for each in dots), tuple(troubles))


def _as_on_map(shown: ServiceDot, node: MapNode | None) -> ServiceDot:
    if node is None or node.state not in ("degraded", "failed"):
        return shown
    return replace(shown, dot=replace(shown.dot, state=node.state, word=node.word))


def _trouble(state: State, word: str, found: Sequence[Dot]) -> Trouble:
    labels = [each.label for each in found]
    name = f"{len(labels)} processes" if len(labels) > _NAMED else ", ".join(labels)
    return Trouble(state, word, name, f"{', '.join(each.name for each in found)}: {word}")


def _service_dot(health: Health) -> ServiceDot:
    name = NAMES[health.service]
    label = LABELS[health.service]
    if health.problem:
        return ServiceDot(health.service, Dot(name, label, "failed", health.problem))
    dependencies = tuple(
        Dot(dependency, _dependency_label(dependency), "good" if well else "failed", word)
        for dependency, well, word in health.dependencies
    )
    state: State = "good" if all(dot.state == "good" for dot in dependencies) else "degraded"
    word = "healthy" if state == "good" else "degraded"
    return ServiceDot(health.service, Dot(name, label, state, word), dependencies)


def _dependency_label(name: str) -> str:
    return {NAMES[key]: label.lower() for key, label in LABELS.items()}.get(name, name)


def figures(shop: ShopSnapshot | Down, last: ShopSnapshot | None) -> FiguresView | Down:
    """The headline figures, or those of the `last` snapshot with their time."""
    if not isinstance(shop, Down):
        return FiguresView(shop.figures)
    return shop if last is None else FiguresView(last.figures, shop.since)


def lights(
    traffic: Callable[[str], Traffic | Down],
    active: tuple[ActiveGremlin, ...] | Down,
    now: datetime,
) -> LightsView:
    """A light for each service that customers wait for; each has its own source, so one may be down
    alone."""
    since = int(now.timestamp() - WINDOW_S)
    return LightsView(
        tuple(light(each.key, traffic(each.key), bites(each.key, active), since) for each in LIT)
    )


def bites(key: str, active: tuple[ActiveGremlin, ...] | Down) -> tuple[str, ...]:
    """What is loose on a process, by its label."""
    gremlins = () if isinstance(active, Down) else active
    return tuple(KIND_LABELS.get(each.kind, each.kind) for each in gremlins if each.service == key)


def light(
    key: str, traffic: Traffic | Down, bitten_by: tuple[str, ...] = (), since: int = 0
) -> Light:
    """The light of one process; `since` (epoch seconds) is where its window begins."""
    state = light_state(traffic)
    made = Light(
        key,
        LABELS[key],
        light_colour(state),
        LIGHT_LABELS[state],
        bitten_by=bitten_by,
        mark="failing" if state == "failing" else light_colour(state),
        kind=_KINDS.get(state, "bitten" if bitten_by else "slowest"),
        since=since,
    )
    if isinstance(traffic, Down):
        return replace(made, word="No signal", down=traffic)
    if traffic.average_s is None:
        return replace(made, errors=round(traffic.errors))
    figure, unit = _seconds(traffic.average_s)
    return replace(
        made,
        figure=figure,
        unit=unit,
        rate=_rate(traffic),
        errors=round(traffic.errors),
        pending=round(traffic.pending),
    )


def light_colour(light: LightState) -> State:
    """The page's colour for a light: both kinds of red share it, their shapes and words do not."""
    return "failed" if light in RED else light  # type: ignore[return-value]


def _rate(traffic: Traffic) -> str:
    if traffic.requests < 9.5:
        return "1 request" if round(traffic.requests) == 1 else f"{traffic.requests:.0f} requests"
    return f"{traffic.per_second:.1f}/s"


def _seconds(seconds: float) -> tuple[str, str]:
    # Never rounded across the limit: 999.7 ms is green, so it must not read as 1 s.
    if seconds < LIMIT_S:
        return str(int(seconds * 1000)), "ms"
    return (f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"), "s"
