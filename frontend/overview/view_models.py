"""What the templates are given: one frozen struct a panel, so a page is drawn from values alone."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from observatory.sources.down import Down

# One meaning each, everywhere: see static/palette.css. "refused" is an expected no (sold out,
# declined, cancelled): the shop did its work, so it is neither good nor a failure of ours.
State = Literal["good", "degraded", "failed", "none", "refused"]


class Dot(Struct, frozen=True):
    """One light in the header; `name` is the fleet's name of it."""

    name: str
    label: str
    state: State
    word: str


class ServiceDot(Struct, frozen=True):
    """A service and what it depends on."""

    key: str
    dot: Dot
    dependencies: tuple[Dot, ...] = ()


class HealthView(Struct, frozen=True):
    """The row of dots in the header."""

    services: tuple[ServiceDot, ...]


class Light(Struct, frozen=True):
    """One SLA traffic light. `figure` is None without traffic; `down` without a source."""

    key: str
    name: str
    state: State
    word: str
    figure: str | None = None
    unit: str = ""
    rate: str = ""
    errors: int = 0
    bitten_by: tuple[str, ...] = ()
    down: Down | None = None


class LightsView(Struct, frozen=True):
    """The three traffic lights; `window_s` and `limit_s` are the rule they follow."""

    lights: tuple[Light, ...]
    window_s: int = 30
    limit_s: float = 1.0


class FiguresView(Struct, frozen=True):
    """The three headline figures."""

    placed: int
    confirmed: int
    pending: int
    refused: int
    failed: int
    pending_now: int
    oldest_pending_at: datetime | None
    in_doubt_minor: int
    settled_minor: int
    currency: str
    window_s: int = 30


class Product(Struct, frozen=True):
    """One tile of the order form; `stock` is None while inventory is not known."""

    product_id: str
    name: str
    price_minor: int
    currency: str
    stock: int | None
    total: int | None


class ProductsView(Struct, frozen=True):
    """What can be ordered."""

    products: tuple[Product, ...]


class OrderRow(Struct, frozen=True):
    """One line of the recent orders."""

    order_id: str
    state: State
    word: str
    explanation: str
    product_id: str
    product: str
    quantity: int
    amount_minor: int
    currency: str
    latency_ms: int | None
    trace_id: str
    created_at: datetime


class OrdersView(Struct, frozen=True):
    """The recent orders, newest first."""

    rows: tuple[OrderRow, ...]
    more: bool = False


class Finding(Struct, frozen=True):
    """One promise and how it stands."""

    id: str
    kind: str
    title: str
    promise: str
    sql: str
    state: State
    word: str
    violations: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class ProofView(Struct, frozen=True):
    """All promises, with one headline; `proven` orders had been proven by `proven_at`, so that only
    `examined` ones were looked at, or all of them where it is None."""

    state: State
    headline: str
    detail: str
    findings: tuple[Finding, ...]
    checked_at: datetime
    examined: int = 0
    proven: int = 0
    proven_at: datetime | None = None


class Step(Struct, frozen=True):
    """One state an order was in, entered `after_ms`, confirmed `times` until `last_ms`."""

    at: datetime
    after_ms: int
    state: State
    word: str
    explanation: str
    trace_id: str
    times: int
    last_ms: int


class Attempt(Struct, frozen=True):
    """One try at the payment provider."""

    number: int
    provider: str
    state: State
    word: str
    detail: str
    at: datetime


class StoryView(Struct, frozen=True):
    """An order's whole life."""

    order: OrderRow
    steps: tuple[Step, ...]
    reservation: Dot | None
    payment: Dot | None
    attempts: tuple[Attempt, ...]
    retries: int
    cancellable: bool
    settled: bool


class Told(Struct, frozen=True):
    """What an action did, in words; `trace_id` leads to why."""

    state: State | Literal["gremlin"]
    title: str
    detail: str = ""
    trace_id: str = ""
    order_id: str = ""
    status: int = 200
