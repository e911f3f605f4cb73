"""What the queries return: the rows behind every panel that shows orders or gremlins."""

from datetime import datetime

from msgspec import Struct

from observatory.sla import WINDOW_S


class OrderRecord(Struct, frozen=True):
    """An order as it stands in the database; `payment` is its payment's state, if there is one, and
    `owner` who placed it."""

    order_id: str
    status: str
    reason: str | None
    product_id: str
    product: str
    quantity: int
    amount_minor: int
    currency: str
    attempts: int
    payment_id: str
    trace_id: str
    created_at: datetime
    settled_at: datetime | None
    payment: str | None
    owner: str


class StepRecord(Struct, frozen=True):
    """One version of an order."""

    status: str
    reason: str | None
    trace_id: str
    at: datetime


class AttemptRecord(Struct, frozen=True):
    """One try of a payment's leg at its provider."""

    number: int
    provider: str
    state: str
    detail: str
    at: datetime
    # Every state it had, with its moment, oldest first.
    states: tuple[tuple[str, datetime], ...] = ()
    leg: int = 1


class OrderDetails(Struct, frozen=True):
    """All that is known of one order. `reserved_at` is when its stock was first asked for and
    when that was last changed; empty while it was not."""

    order: OrderRecord
    steps: tuple[StepRecord, ...]
    reservation: str | None
    attempts: tuple[AttemptRecord, ...]
    reserved_at: tuple[datetime, ...] = ()


class Figures(Struct, frozen=True):
    """The headline figures: orders of the last `window_s` seconds, the orders that are open now,
    and `in_doubt` payments, a merchant's as well as an order's, whose money is in doubt."""

    placed: int
    confirmed: int
    pending: int
    refused: int
    settled_minor: int
    pending_now: int
    oldest_pending_at: datetime | None
    in_doubt_minor: int
    currency: str
    in_doubt: int = 0
    window_s: int = int(WINDOW_S)

    @property
    def failed(self) -> int:
        """Every order is in exactly one of the four counts."""
        return self.placed - self.confirmed - self.pending - self.refused


class ProductRecord(Struct, frozen=True):
    """A product, its price and what is left of it."""

    product_id: str
    name: str
    price_minor: int
    currency: str
    stock: int | None
    total: int | None


class ActiveGremlin(Struct, frozen=True):
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


class ShopSnapshot(Struct, frozen=True):
    """The shop at one moment."""

    orders: tuple[OrderRecord, ...]
    figures: Figures
    products: tuple[ProductRecord, ...]
