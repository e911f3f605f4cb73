"""An order and its state machine; no I/O. docs/protocol.md, "Order state machine"."""

from datetime import datetime
from uuid import UUID

import msgspec

from services.order.contract import Reason, Status
from services.payment.contract import Currency

# The database holds the same pairs and a trigger enforces them; a test says they are equal.
TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        ("PENDING", "PENDING_INVENTORY"),
        ("PENDING", "PENDING_PAYMENT"),
        ("PENDING", "CONFIRMED"),
        ("PENDING", "FAILED"),
        ("PENDING", "CANCELLING"),
        ("PENDING_INVENTORY", "PENDING_INVENTORY"),
        ("PENDING_INVENTORY", "PENDING_PAYMENT"),
        ("PENDING_INVENTORY", "FAILED"),
        ("PENDING_INVENTORY", "CANCELLING"),
        ("PENDING_PAYMENT", "PENDING_PAYMENT"),
        ("PENDING_PAYMENT", "CONFIRMED"),
        ("PENDING_PAYMENT", "CANCELLING"),
        ("CANCELLING", "CANCELLING"),
        ("CANCELLING", "FAILED"),
    }
)
TERMINAL: frozenset[Status] = frozenset({"CONFIRMED", "FAILED"})
CANCELLABLE: frozenset[Status] = frozenset({"PENDING", "PENDING_INVENTORY", "PENDING_PAYMENT"})

_MESSAGES: dict[Status, str] = {
    "PENDING": "Order is being processed",
    "PENDING_INVENTORY": "Order is being processed",
    "PENDING_PAYMENT": "Order is being processed",
    "CANCELLING": "Order is being cancelled",
    "CONFIRMED": "Order is confirmed",
    "FAILED": "Order failed",
}
_REASONS: dict[Reason, str] = {
    "OUT_OF_STOCK": "there is not enough in stock",
    "PAYMENT_DECLINED": "the payment was declined",
    "PAYMENT_CANCELLED": "the payment was cancelled",
    "INVENTORY_TIMEOUT": "the stock could not be reserved in time",
    "PAYMENT_TIMEOUT": "the payment could not be completed in time",
    "USER_CANCELLED": "it was cancelled on request",
    "INTERNAL_CONTRACT": "our services did not understand each other",
}


class Order(msgspec.Struct, frozen=True):
    """One order as the database has it. `owner` is who placed it, `overdue` is the
    database's clock against the deadline."""

    id: UUID
    product_id: str
    quantity: int
    unit_price_minor: int
    amount_minor: int
    currency: Currency
    payment_id: UUID
    wallet_id: str | None
    owner: str
    status: Status
    reason: Reason | None
    last_outcome: str | None
    stock_committed_at: datetime | None
    version: int
    attempts: int
    traceparent: str | None
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    overdue: bool

    @property
    def is_settled(self) -> bool:
        """Whether the decision is final."""
        return self.status in TERMINAL

    @property
    def is_done(self) -> bool:
        """Whether nothing at all is left to do, the stock's commit included."""
        return self.status == "FAILED" or self.stock_committed_at is not None

    @property
    def is_waiting(self) -> bool:
        """Whether an attempt was in vain and the next one is due later."""
        return not self.is_done and (self.attempts > 0 or self.last_outcome is not None)

    @property
    def message(self) -> str:
        """One sentence for a human."""
        message = _MESSAGES[self.status]
        if self.reason is None:
            return message
        return f"{message}: {_REASONS[self.reason]}"


class NotForSale(Exception):
    """Nothing of that id is for sale."""


class UnknownOrder(Exception):
    """There is no such order."""
