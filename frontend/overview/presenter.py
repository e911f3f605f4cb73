"""From health and traffic to the dots and the lights; pure."""

from collections.abc import Callable

from chassis.faults.kinds import KIND_LABELS
from frontend.overview.view_models import Dot, HealthDots, Light, LightsView, ServiceDot
from frontend.query_results import ActiveGremlin
from frontend.web.labels import State
from observatory.metrics.counter_window import Traffic
from observatory.sla import LIMIT_S, light_state
from observatory.sources.down import Down
from observatory.sources.health import Health
from topology import LABELS, NAMES


def health(services: tuple[Health, ...] | Down) -> HealthDots | Down:
    """A dot per service and per dependency."""
    if isinstance(services, Down):
        return services
    return HealthDots(tuple(_service_dot(each) for each in services))


def _service_dot(health: Health) -> ServiceDot:
    name = NAMES[health.service]
    label = LABELS[health.service]
    if health.trouble:
        return ServiceDot(health.service, Dot(name, label, "failed", health.trouble))
    dependencies = tuple(
        Dot(dependency, _dependency_label(dependency), "good" if well else "failed", word)
        for dependency, well, word in health.dependencies
    )
    state: State = "good" if all(dot.state == "good" for dot in dependencies) else "degraded"
    word = "healthy" if state == "good" else "degraded"
    return ServiceDot(health.service, Dot(name, label, state, word), dependencies)


def _dependency_label(name: str) -> str:
    return {NAMES[key]: label.lower() for key, label in LABELS.items()}.get(name, name)


def lights(
    traffic: Callable[[str], Traffic | Down], active: tuple[ActiveGremlin, ...] | Down
) -> LightsView:
    """One light per service; each has its own source, so one may be down alone."""
    gremlins = () if isinstance(active, Down) else active
    return LightsView(
        tuple(
            _light(
                key,
                traffic(key),
                tuple(KIND_LABELS.get(g.kind, g.kind) for g in gremlins if g.service == key),
            )
            for key in NAMES
        ),
    )


def _light(key: str, traffic: Traffic | Down, bitten_by: tuple[str, ...]) -> Light:
    label = LABELS[key]
    if isinstance(traffic, Down):
        return Light(key, label, "none", "No signal", bitten_by=bitten_by, down=traffic)
    rate, errors = _rate(traffic), round(traffic.errors)
    if traffic.average_s is None:
        return Light(key, label, "none", "No traffic", errors=errors, bitten_by=bitten_by)
    figure, unit = _seconds(traffic.average_s)
    state = light_state(traffic)
    word = "Fast" if state == "good" else "Too slow"
    return Light(key, label, state, word, figure, unit, rate, errors, bitten_by)


def _rate(traffic: Traffic) -> str:
    if traffic.requests < 9.5:
        return "1 request" if round(traffic.requests) == 1 else f"{traffic.requests:.0f} requests"
    return f"{traffic.per_second:.1f}/s"


def _seconds(seconds: float) -> tuple[str, str]:
    # Never rounded across the limit: 999.7 ms is green, so it must not read as 1 s.
    if seconds < LIMIT_S:
        return str(int(seconds * 1000)), "ms"
    return (f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"), "s"
