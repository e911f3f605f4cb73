"""What the database says, as values: the rows behind every panel that shows orders or gremlins."""

from datetime import datetime

from msgspec import Struct


class OrderFacts(Struct, frozen=True):
    """An order as it stands in the database."""

    order_id: str
    status: str
    reason: str | None
    product_id: str
    product: str
    quantity: int
    amount_minor: int
    currency: str
    attempts: int
    trace_id: str
    created_at: datetime
    settled_at: datetime | None


class StepFacts(Struct, frozen=True):
    """One version of an order."""

    status: str
    reason: str | None
    trace_id: str
    at: datetime


class AttemptFacts(Struct, frozen=True):
    """One try at the payment provider."""

    number: int
    provider: str
    state: str
    detail: str
    at: datetime
    # Every state it had, with its moment, oldest first.
    states: tuple[tuple[str, datetime], ...] = ()


class StoryFacts(Struct, frozen=True):
    """All that is known of one order. `reserved_at` is when its stock was first asked for and
    when that was last changed; empty while it was not."""

    order: OrderFacts
    steps: tuple[StepFacts, ...]
    reservation: str | None
    payment: str | None
    attempts: tuple[AttemptFacts, ...]
    reserved_at: tuple[datetime, ...] = ()


class FigureFacts(Struct, frozen=True):
    """Counts behind the headline figures."""

    placed: int
    confirmed: int
    pending: int
    refused: int
    settled_minor: int
    pending_now: int
    oldest_pending_at: datetime | None
    in_doubt_minor: int
    currency: str | None


class ProductFacts(Struct, frozen=True):
    """A product, its price and what is left of it."""

    product_id: str
    name: str
    price_minor: int
    currency: str
    stock: int | None
    total: int | None


class GremlinFacts(Struct, frozen=True):
    """A fault that is on."""

    service: str
    name: str
    kind: str
    probability: float
    delay_ms: int
    jitter_ms: int
    status: int
    started_by: str
    started_at: datetime
    expires_at: datetime


class ShopFacts(Struct, frozen=True):
    """One look at the shop."""

    orders: tuple[OrderFacts, ...]
    figures: FigureFacts
    products: tuple[ProductFacts, ...]
