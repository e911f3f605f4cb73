"""From what is known to what is shown: one pure function a panel, facts in, view or `Down` out."""

from collections.abc import Callable

from msgspec.structs import replace

from chassis.faults.kinds import KIND_LABELS
from frontend.overview.view_models import (
    Attempt,
    Dot,
    FiguresView,
    HealthView,
    Light,
    LightsView,
    OrderRow,
    OrdersView,
    Product,
    ProductsView,
    ServiceDot,
    State,
    Step,
    StoryView,
)
from frontend.queries import RECENT
from frontend.query_results import FigureFacts, GremlinFacts, OrderFacts, ProductFacts, StoryFacts
from frontend.web.labels import (
    ATTEMPT_WORDS,
    PAYMENT_WORDS,
    RESERVATION_WORDS,
    TERMINAL,
    order_words,
)
from observatory.metrics.counter_window import Traffic
from observatory.sla import LIMIT_S, light_state
from observatory.sources.down import Down
from observatory.sources.health import Health
from topology import LABELS, NAMES


def health(asked: tuple[Health, ...] | Down) -> HealthView | Down:
    """A dot per service and per dependency."""
    if isinstance(asked, Down):
        return asked
    return HealthView(tuple(_service_dot(each) for each in asked))


def _service_dot(said: Health) -> ServiceDot:
    name = NAMES[said.service]
    label = LABELS[said.service]
    if said.problem:
        return ServiceDot(said.service, Dot(name, label, "failed", said.problem))
    dependencies = tuple(
        Dot(dependency, _dependency_label(dependency), "good" if well else "failed", word)
        for dependency, well, word in said.dependencies
    )
    state: State = "good" if all(dot.state == "good" for dot in dependencies) else "degraded"
    word = "healthy" if state == "good" else "degraded"
    return ServiceDot(said.service, Dot(name, label, state, word), dependencies)


def _dependency_label(name: str) -> str:
    return {NAMES[key]: label.lower() for key, label in LABELS.items()}.get(name, name)


def lights(
    traffic: Callable[[str], Traffic | Down], loose: tuple[GremlinFacts, ...] | Down
) -> LightsView:
    """One light per service; each has its own source, so one may be down alone."""
    gremlins = () if isinstance(loose, Down) else loose
    return LightsView(
        tuple(
            _light(
                key,
                traffic(key),
                tuple(KIND_LABELS.get(g.kind, g.kind) for g in gremlins if g.service == key),
            )
            for key in NAMES
        ),
        limit_s=LIMIT_S,
    )


def _light(key: str, said: Traffic | Down, bitten_by: tuple[str, ...]) -> Light:
    label = LABELS[key]
    if isinstance(said, Down):
        return Light(key, label, "none", "No signal", bitten_by=bitten_by, down=said)
    rate, errors = _rate(said), round(said.errors)
    if said.average_s is None:
        return Light(key, label, "none", "No traffic", errors=errors, bitten_by=bitten_by)
    figure, unit = _seconds(said.average_s)
    state = light_state(said)
    word = "Fast" if state == "good" else "Too slow"
    return Light(key, label, state, word, figure, unit, rate, errors, bitten_by)


def _rate(said: Traffic) -> str:
    if said.requests < 9.5:
        return "1 request" if round(said.requests) == 1 else f"{said.requests:.0f} requests"
    return f"{said.per_second:.1f}/s"


def _seconds(seconds: float) -> tuple[str, str]:
    # Never rounded across the limit: 999.7 ms is green, so it must not read as 1 s.
    if seconds < LIMIT_S:
        return str(int(seconds * 1000)), "ms"
    return (f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"), "s"


def figures(said: FigureFacts) -> FiguresView:
    """The three headline figures."""
    known = said.confirmed + said.pending + said.refused
    return FiguresView(
        placed=said.placed,
        confirmed=said.confirmed,
        pending=said.pending,
        refused=said.refused,
        failed=said.placed - known,
        pending_now=said.pending_now,
        oldest_pending_at=said.oldest_pending_at,
        in_doubt_minor=said.in_doubt_minor,
        settled_minor=said.settled_minor,
        currency=said.currency or "",
    )


def products(said: tuple[ProductFacts, ...]) -> ProductsView:
    """The tiles of the order form."""
    return ProductsView(
        tuple(
            Product(p.product_id, p.name, p.price_minor, p.currency, p.stock, p.total) for p in said
        )
    )


def orders(said: tuple[OrderFacts, ...]) -> OrdersView:
    """The recent orders."""
    return OrdersView(tuple(order_row(order) for order in said[:RECENT]), len(said) > RECENT)


def order_row(order: OrderFacts) -> OrderRow:
    """One order as a line."""
    state, word, explanation = order_words(order.status, order.reason)
    latency_ms = None
    if order.settled_at is not None:
        latency_ms = round((order.settled_at - order.created_at).total_seconds() * 1000)
    return OrderRow(
        order.order_id,
        state,
        word,
        explanation,
        order.product_id,
        order.product,
        order.quantity,
        order.amount_minor,
        order.currency,
        latency_ms,
        order.trace_id,
        order.created_at,
    )


def story(said: StoryFacts | Down) -> StoryView | Down:
    """An order's whole life."""
    if isinstance(said, Down):
        return said
    order = order_row(said.order)
    return StoryView(
        order=order,
        steps=_life(said),
        reservation=_dot("Stock", said.reservation, RESERVATION_WORDS),
        payment=_dot("Money", said.payment, PAYMENT_WORDS),
        attempts=tuple(
            Attempt(
                attempt.number,
                attempt.provider,
                *ATTEMPT_WORDS.get(attempt.state, ("none", attempt.state)),
                attempt.detail,
                attempt.at,
            )
            for attempt in said.attempts
        ),
        retries=said.order.attempts,
        cancellable=said.order.status not in TERMINAL | {"CANCELLING"},
        settled=said.order.status in TERMINAL,
    )


def _life(said: StoryFacts) -> tuple[Step, ...]:
    """The states in order; tries that ended where they began are one step with a count."""
    steps: list[Step] = []
    for fact in said.steps:
        words = order_words(fact.status, fact.reason)
        after_ms = max(0, round((fact.at - said.order.created_at).total_seconds() * 1000))
        if steps and (steps[-1].state, steps[-1].word, steps[-1].explanation) == words:
            steps[-1] = replace(steps[-1], times=steps[-1].times + 1, last_ms=after_ms)
        else:
            steps.append(Step(fact.at, after_ms, *words, fact.trace_id, 1, after_ms))
    return tuple(steps)


def _dot(label: str, code: str | None, words: dict[str, tuple[State, str]]) -> Dot | None:
    if code is None:
        return None
    state, word = words.get(code, ("none", code.lower()))
    return Dot(code, label, state, word)
