"""From what is known to what is shown: one pure function per panel, facts in, view or `Down` out."""

from collections.abc import Callable
from datetime import datetime

from frontend.ledger import (
    RECENT,
    AuditFacts,
    FigureFacts,
    GremlinFacts,
    OrderFacts,
    ProductFacts,
    StoryFacts,
)
from frontend.observatory.ring import Traffic
from frontend.sources.health import Health
from frontend.views import (
    Attempt,
    AuditRow,
    AuditView,
    BarView,
    BoardView,
    Cell,
    Dot,
    Down,
    FiguresView,
    Gremlin,
    HealthView,
    KindRow,
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
from frontend.words import (
    ACTION_WORDS,
    ATTEMPT_WORDS,
    KIND_LABELS,
    KINDS,
    LABELS,
    NAMES,
    PAYMENT_WORDS,
    RESERVATION_WORDS,
    SERVICES,
    TERMINAL,
    gremlin_detail,
    order_words,
)

# SPEC section 5: green under one second, red from it.
LIMIT_S = 1.0


def health(asked: tuple[Health, ...] | Down) -> HealthView | Down:
    """A dot per service and per dependency."""
    if isinstance(asked, Down):
        return asked
    return HealthView(tuple(_service_dot(each) for each in asked))


def _service_dot(said: Health) -> ServiceDot:
    name = NAMES[said.service]
    label = LABELS[said.service]
    if said.trouble:
        return ServiceDot(said.service, Dot(name, label, "failed", said.trouble))
    dependencies = tuple(
        Dot(dependency, _dependency_label(dependency), "good" if well else "failed", word)
        for dependency, well, word in said.dependencies
    )
    state: State = "good" if all(dot.state == "good" for dot in dependencies) else "degraded"
    word = "healthy" if state == "good" else "degraded"
    return ServiceDot(said.service, Dot(name, label, state, word), dependencies)


def _dependency_label(name: str) -> str:
    return {name: label.lower() for _, name, label in SERVICES}.get(name, name)


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
            for key, _, _ in SERVICES
        ),
        limit_s=LIMIT_S,
    )


def _light(key: str, said: Traffic | Down, bitten_by: tuple[str, ...]) -> Light:
    label = LABELS[key]
    if isinstance(said, Down):
        return Light(key, label, "none", "No signal", bitten_by=bitten_by, down=said)
    rate, errors = f"{said.per_second:.1f}", round(said.errors)
    if said.average_s is None:
        return Light(key, label, "none", "No traffic", errors=errors, bitten_by=bitten_by)
    figure, unit = _seconds(said.average_s)
    state: State = "good" if said.average_s < LIMIT_S else "failed"
    word = "Fast" if state == "good" else "Too slow"
    return Light(key, label, state, word, figure, unit, rate, errors, bitten_by)


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


def gremlin(said: GremlinFacts, now: datetime) -> Gremlin:
    """A fault that is on."""
    return Gremlin(
        name=said.name,
        kind=said.kind,
        label=KIND_LABELS.get(said.kind, said.kind),
        service=said.service,
        service_name=NAMES[said.service],
        detail=gremlin_detail(said.kind, said.delay_ms, said.jitter_ms, said.status),
        probability=said.probability,
        started_by=said.started_by,
        started_at=said.started_at,
        expires_at=said.expires_at,
        remaining_s=max(0, round((said.expires_at - now).total_seconds())),
    )


def bar(said: tuple[GremlinFacts, ...], now: datetime) -> BarView:
    """What is loose, soonest end first."""
    loose = sorted(said, key=lambda each: each.expires_at)
    return BarView(tuple(gremlin(each, now) for each in loose if each.expires_at > now))


def board(said: tuple[GremlinFacts, ...], now: datetime) -> BoardView:
    """Every kind at every service. Several of one kind share a switch; it shows the last to end."""
    latest: dict[tuple[str, str], GremlinFacts] = {}
    for each in sorted(said, key=lambda each: each.expires_at):
        if each.expires_at > now:
            latest[each.kind, each.service] = each
    rows = tuple(
        KindRow(
            kind.kind,
            kind.label,
            kind.does,
            kind.hint,
            kind.delay_ms,
            kind.delay_max_ms,
            tuple(
                Cell(
                    key,
                    label,
                    gremlin(latest[kind.kind, key], now) if (kind.kind, key) in latest else None,
                )
                for key, _, label in SERVICES
            ),
        )
        for kind in KINDS
    )
    return BoardView(rows, tuple((key, label) for key, _, label in SERVICES), len(latest))


def audit(said: tuple[AuditFacts, ...]) -> AuditView:
    """The gremlins' diary."""
    return AuditView(tuple(_audit_row(event) for event in said))


def _audit_row(event: AuditFacts) -> AuditRow:
    def number(key: str) -> int:
        value = event.detail.get(key, 0)
        return int(value) if isinstance(value, int | float) else 0

    detail = gremlin_detail(event.kind, number("delay_ms"), number("jitter_ms"), number("status"))
    if event.action in ("started", "changed") and (ttl_s := number("ttl_s")):
        detail = ", ".join(filter(None, (detail, f"for {ttl_s} s")))
    return AuditRow(
        event.at,
        ACTION_WORDS.get(event.action, event.action),
        event.name,
        KIND_LABELS.get(event.kind, event.kind),
        NAMES[event.service],
        event.actor,
        detail,
    )


def story(said: StoryFacts) -> StoryView:
    """An order's whole life."""
    order = order_row(said.order)
    started = said.order.created_at
    steps = tuple(
        Step(
            step.at,
            max(0, round((step.at - started).total_seconds() * 1000)),
            *order_words(step.status, step.reason),
            step.trace_id,
        )
        for step in said.steps
    )
    return StoryView(
        order=order,
        steps=steps,
        reservation=_dot("Stock", said.reservation, RESERVATION_WORDS),
        payment=_dot("Money", said.payment, PAYMENT_WORDS),
        attempts=tuple(
            Attempt(a.number, a.provider, *ATTEMPT_WORDS.get(a.state, ("none", a.state)), a.detail, a.at)
            for a in said.attempts
        ),
        retries=said.order.attempts,
        cancellable=said.order.status not in TERMINAL | {"CANCELLING"},
        settled=said.order.status in TERMINAL,
    )


def _dot(label: str, code: str | None, words: dict[str, tuple[State, str]]) -> Dot | None:
    if code is None:
        return None
    state, word = words.get(code, ("none", code.lower()))
    return Dot(code, label, state, word)
