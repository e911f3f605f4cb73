"""What a payment is and what may happen to it: two state machines as data, and no I/O."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

PaymentState = Literal[
    "PROCESSING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLING",
    "CANCELLED",
    "REFUND_PENDING",
    "REFUNDED",
]
AttemptState = Literal["IN_FLIGHT", "UNKNOWN", "SUCCEEDED", "FAILED", "VOIDED", "REFUNDED"]

# Who asked for it first: the order service, somebody by hand, or a capture nobody asked for.
MadeBy = Literal["order-service", "hand", "capture"]

# The same pairs as payments.transitions, whose triggers refuse any other move; tested equal.
PAYMENT_TRANSITIONS: frozenset[tuple[PaymentState, PaymentState]] = frozenset(
    {
        ("PROCESSING", "SUCCEEDED"),
        ("PROCESSING", "FAILED"),
        ("PROCESSING", "CANCELLING"),
        ("SUCCEEDED", "REFUND_PENDING"),
        ("CANCELLING", "CANCELLED"),
        ("CANCELLING", "FAILED"),
        ("CANCELLING", "REFUND_PENDING"),
        ("CANCELLED", "REFUND_PENDING"),
        ("REFUND_PENDING", "REFUNDED"),
    }
)
ATTEMPT_TRANSITIONS: frozenset[tuple[AttemptState, AttemptState]] = frozenset(
    {
        ("IN_FLIGHT", "SUCCEEDED"),
        ("IN_FLIGHT", "FAILED"),
        ("IN_FLIGHT", "UNKNOWN"),
        ("IN_FLIGHT", "VOIDED"),
        ("UNKNOWN", "SUCCEEDED"),
        ("UNKNOWN", "FAILED"),
        ("UNKNOWN", "VOIDED"),
        ("SUCCEEDED", "REFUNDED"),
        ("VOIDED", "SUCCEEDED"),
    }
)
# Cancel wins: a charge that meets one of these is refused, whatever key it carries.
FENCED_STATES: frozenset[PaymentState] = frozenset(
    {"CANCELLING", "CANCELLED", "REFUND_PENDING", "REFUNDED"}
)
# What a cancel does first; every other state is answered as it stands.
ON_CANCEL: dict[PaymentState, PaymentState] = {
    "PROCESSING": "CANCELLING",
    "SUCCEEDED": "REFUND_PENDING",
}
# What to ask the gateway while a payment is in a state; in every other state it is finished.
Operation = Literal["charge", "void", "refund"]
OPERATIONS: dict[PaymentState, Operation] = {
    "PROCESSING": "charge",
    "CANCELLING": "void",
    "REFUND_PENDING": "refund",
}


def gw_key(order_id: UUID, n: int) -> str:
    """The gateway's idempotency key: one per attempt, not per request (rule R2), so whoever
    drives the attempt, however often, the gateway sees one charge."""
    return f"ord_{order_id}:{n}"


# ---- values --------------------------------------------------------------------------------------


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at the gateway, which knows it by `gw_key`."""

    n: int
    provider: str
    gw_key: str
    amount_minor: int
    currency: str
    state: AttemptState
    detail: str | None = None
    created_at: datetime
    updated_at: datetime


class Payment(msgspec.Struct, frozen=True):
    """An order's payment; also its idempotency record, and a tombstone where it has no amount."""

    order_id: UUID
    amount_minor: int | None = None
    currency: str | None = None
    state: PaymentState = "PROCESSING"
    decline_code: str | None = None
    cancel_reason: str | None = None
    idempotency_key: str | None = None
    request_hash: bytes | None = None
    made_by: MadeBy = "order-service"
    needs_review: bool = False
    traceparent: str | None = None
    attempts: tuple[Attempt, ...] = ()

    @property
    def attempt(self) -> Attempt:
        """The newest attempt; only a tombstone has none, and nobody asks a gateway about one."""
        return self.attempts[-1]


class Charge(msgspec.Struct, frozen=True):
    """The command: take this much for this order, under this key."""

    order_id: UUID
    amount_minor: int
    currency: str
    idempotency_key: str
    request_hash: bytes
    made_by: MadeBy


# ---- rules ---------------------------------------------------------------------------------------


class KeyReused(Exception):
    """The key already belongs to another request."""


class AmountDiffers(Exception):
    """The order already has a payment over something else."""


class Fenced(Exception):
    """The payment was cancelled first, and cancel wins."""


def admit(payment: Payment, charge: Charge) -> None:
    """Whether `charge` is about a payment that exists already; raises what speaks against it."""
    same_key = payment.idempotency_key == charge.idempotency_key
    if same_key and payment.request_hash != charge.request_hash:
        raise KeyReused
    if payment.state in FENCED_STATES:
        raise Fenced
    if (payment.amount_minor, payment.currency) != (charge.amount_minor, charge.currency):
        raise AmountDiffers
