"""Intents, charges, refunds and accounts, their state machine and their arithmetic; no I/O."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from providers.acquirer.contract import Mode

Status = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "canceled",
    "succeeded",
]
# Before an intent is paid, each try may end in any of `_TRIED`.
_UNPAID: tuple[Status, ...] = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
)
_TRIED: tuple[Status, ...] = (
    "requires_payment_method",
    "requires_action",
    "requires_capture",
    "succeeded",
    "canceled",
)
# The database holds the same pairs and a trigger enforces them; a test compares the two.
TRANSITIONS: frozenset[tuple[Status, Status]] = frozenset(
    {
        *((src, dst) for src in _UNPAID for dst in _TRIED if src != dst),
        ("requires_capture", "succeeded"),
        ("requires_capture", "canceled"),
    }
)
CONFIRMABLE: frozenset[Status] = frozenset(_UNPAID)
CAPTURABLE: frozenset[Status] = frozenset({"requires_capture"})
CANCELABLE: frozenset[Status] = CONFIRMABLE | CAPTURABLE
# Every type of event that is ever sent.
EventType = Literal[
    "payment_intent.created", "payment_intent.payment_failed", "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated", "payment_intent.succeeded",
    "payment_intent.canceled", "charge.succeeded", "charge.failed", "charge.captured",
    "charge.refunded", "refund.created",
]  # fmt: skip
# The event of each state that an intent comes to; its creation is `payment_intent.created`.
EVENT_OF: dict[str, EventType] = {
    "requires_payment_method": "payment_intent.payment_failed",
    "requires_action": "payment_intent.requires_action",
    "requires_capture": "payment_intent.amount_capturable_updated",
    "succeeded": "payment_intent.succeeded",
    "canceled": "payment_intent.canceled",
}

CaptureMethod = Literal["automatic", "manual"]

# Stripe's own bound: eight digits.
LARGEST_AMOUNT = 99_999_999
# By currency what an amount is a multiple of: Stripe takes three decimals ending in 0 (kwd), and
# krónur, which have none, as if they had two (isk).
CURRENCIES = dict.fromkeys(
    ("aud", "cad", "chf", "czk", "dkk", "eur", "gbp", "jpy", "nok", "pln", "sek", "usd"), 1
) | {"kwd": 10, "isk": 100}
_BASIS_POINTS = 10_000


class Account(msgspec.Struct, frozen=True):
    """A merchant's account: its key, its price, its limits, and how it behaves now."""

    name: str
    id: str
    api_key: str
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    maximum_minor: int
    daily_capacity_minor: int
    decline_rate: float
    latency_ms: int
    mode: Mode
    mode_since: datetime

    def fee_minor(self, captured_minor: int) -> int:
        """What a capture costs: the percentage and the fixed fee, rounded up once."""
        percentage = -(-captured_minor * self.fee_basis_points // _BASIS_POINTS)
        return percentage + self.fee_fixed_minor


class PaymentMethod(msgspec.Struct, frozen=True):
    """A card as far as it may be kept. `behaviour` is what the test number does when it pays:
    "approve", "authenticate", or the decline code."""

    seq: int
    id: str
    account: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    behaviour: str
    metadata: dict[str, str]
    created_at: datetime


class PaymentIntent(msgspec.Struct, frozen=True):
    """A wish to be paid, and how far it has come."""

    seq: int
    id: str
    account: str
    amount_minor: int
    currency: str
    capture_method: CaptureMethod
    status: Status
    received_minor: int
    payment_method: str | None
    latest_charge: str | None
    client_secret: str
    description: str | None
    metadata: dict[str, str]
    last_error: dict[str, Any] | None
    cancellation_reason: str | None
    canceled_at: datetime | None
    created_at: datetime

    @property
    def capturable_minor(self) -> int:
        """What may still be captured."""
        return self.amount_minor if self.status in CAPTURABLE else 0


class CardCharge(msgspec.Struct, frozen=True):
    """One try to take an intent's money. `released`: held, then given up without a capture."""

    seq: int
    id: str
    account: str
    intent: str
    payment_method: str
    amount_minor: int
    currency: str
    status: Literal["succeeded", "failed"]
    decline_code: str | None
    card: dict[str, Any]
    captured_minor: int
    refunded_minor: int
    released: bool
    balance_transaction: str | None
    created_at: datetime

    @property
    def refundable_minor(self) -> int:
        """What was captured and not given back."""
        return self.captured_minor - self.refunded_minor


class Refund(msgspec.Struct, frozen=True):
    """Money given back."""

    seq: int
    id: str
    account: str
    charge: str
    intent: str
    amount_minor: int
    currency: str
    reason: str | None
    metadata: dict[str, str]
    balance_transaction: str
    created_at: datetime


class BalanceTransaction(msgspec.Struct, frozen=True):
    """A movement of an account's money: a capture is positive, a refund negative."""

    seq: int
    id: str
    account: str
    type: Literal["charge", "refund"]
    source: str
    intent: str
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: datetime

    @property
    def net_minor(self) -> int:
        """What the account is paid, or pays."""
        return self.amount_minor - self.fee_minor


class AccountEvent(msgspec.Struct, frozen=True):
    """What happened, with the object as it was then."""

    seq: int
    id: str
    account: str
    type: str
    object: dict[str, Any]
    api_version: str
    request_id: str
    idempotency_key: str | None
    created_at: datetime


class WebhookEndpoint(msgspec.Struct, frozen=True):
    """Where an account wants its events, and the secret that signs them."""

    seq: int
    id: str
    account: str
    url: str
    enabled_events: list[str]
    secret: str
    description: str | None
    metadata: dict[str, str]
    created_at: datetime
