"""What a payment is and what may happen to it: two state machines as data, and no I/O."""

from datetime import datetime
from typing import Any, Literal
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
AttemptState = Literal[
    "IN_FLIGHT", "UNKNOWN", "AUTHORISED", "SUCCEEDED", "FAILED", "VOIDED", "REFUNDED"
]

# Who asked for it first: the order service, somebody by hand, or a capture nobody asked for.
MadeBy = Literal["order-service", "hand", "capture"]
# What was decided: which provider takes a leg; to take in a capture that nobody asked for; of a
# plan in several legs, to capture all, to give all up, or to turn a capture round; and of a plan
# that came to nothing, that another one takes its place.
DecisionKind = Literal["route", "adopt", "capture", "void", "compensate", "replace"]
# A customer who waits is asked for patience once, not for ever.
MOST_PLANS = 2

# The same pairs as payments.transitions, whose triggers refuse any other move; tested equal.
PAYMENT_TRANSITIONS: frozenset[tuple[PaymentState, PaymentState]] = frozenset(
    {
        ("PROCESSING", "SUCCEEDED"),
        ("PROCESSING", "FAILED"),
        ("PROCESSING", "CANCELLING"),
        # One leg cannot be had, so what was captured of the others goes back.
        ("PROCESSING", "REFUND_PENDING"),
        ("REFUND_PENDING", "FAILED"),
        ("SUCCEEDED", "REFUND_PENDING"),
        ("CANCELLING", "CANCELLED"),
        ("CANCELLING", "FAILED"),
        ("CANCELLING", "REFUND_PENDING"),
        # A leg is captured late, after its void.
        ("CANCELLED", "REFUND_PENDING"),
        ("FAILED", "REFUND_PENDING"),
        ("REFUNDED", "REFUND_PENDING"),
        ("REFUND_PENDING", "REFUNDED"),
    }
)
ATTEMPT_TRANSITIONS: frozenset[tuple[AttemptState, AttemptState]] = frozenset(
    {
        ("IN_FLIGHT", "SUCCEEDED"),
        ("IN_FLIGHT", "FAILED"),
        ("IN_FLIGHT", "UNKNOWN"),
        ("IN_FLIGHT", "VOIDED"),
        ("IN_FLIGHT", "AUTHORISED"),
        ("UNKNOWN", "SUCCEEDED"),
        ("UNKNOWN", "FAILED"),
        ("UNKNOWN", "VOIDED"),
        ("UNKNOWN", "AUTHORISED"),
        ("AUTHORISED", "SUCCEEDED"),
        ("AUTHORISED", "VOIDED"),
        # The authorisation ran out before its capture.
        ("AUTHORISED", "FAILED"),
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
# In every other state a payment is finished.
UNFINISHED: frozenset[PaymentState] = frozenset({"PROCESSING", "CANCELLING", "REFUND_PENDING"})


# The one account whose money the shop keeps itself; of several legs its is asked for last, because
# it alone can be given back without anybody outside.
WALLET = "wallet"


def gw_key(payment_id: UUID, leg_n: int, n: int) -> str:
    """A new attempt's idempotency key at its gateway: one per attempt, not per request (rule R2),
    so whoever drives the attempt, however often, the gateway sees one charge."""
    return f"pay_{payment_id}:{leg_n}:{n}"


def first_keys(payment_id: UUID) -> frozenset[str]:
    """The keys that a payment's first attempt can have: this one, or the one that was given while a
    payment had no id but its order's. What is stored is never renamed, so both are ours."""
    return frozenset({gw_key(payment_id, 1, 1), f"ord_{payment_id}:1"})


# ---- values --------------------------------------------------------------------------------------


class AttemptId(msgspec.Struct, frozen=True):
    """Which attempt, of which leg, of which payment."""

    payment_id: UUID
    leg_n: int
    n: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a leg at its gateway, which knows it by `gw_key`."""

    leg_n: int
    n: int
    provider: str
    gw_key: str
    amount_minor: int
    currency: str
    state: AttemptState
    detail: str | None = None
    # Whether the gateway once held the money for us, whatever became of it then.
    was_authorised: bool = False
    # What the customer pays with there, and the gateway's own name for the attempt.
    method: str | None = None
    provider_ref: str | None = None
    # How many have begun to ask for this money; and who may take the leg after a definite no, until
    # when.
    asks: int = 1
    # Which of the payment's plans its leg belongs to.
    plan_n: int = 1
    fallbacks: tuple[str, ...] = ()
    begin_until: datetime | None = None
    # Whether a request for this money may be repeated within the attempt, where that is safe.
    may_retry: bool = True
    created_at: datetime
    updated_at: datetime


class Payment(msgspec.Struct, frozen=True):
    """A payment; also its idempotency record, and a tombstone where it has no amount.

    `order_id` is None where it pays for no order. `attempts` are ordered by leg and number.
    `owner` is who placed it; `decided` is what was decided about all legs of its newest plan
    together."""

    payment_id: UUID
    order_id: UUID | None = None
    amount_minor: int | None = None
    currency: str | None = None
    state: PaymentState = "PROCESSING"
    decline_code: str | None = None
    cancel_reason: str | None = None
    idempotency_key: str | None = None
    request_hash: bytes | None = None
    made_by: MadeBy = "order-service"
    owner: str = "anonymous"
    needs_review: bool = False
    traceparent: str | None = None
    attempts: tuple[Attempt, ...] = ()
    decided: frozenset[DecisionKind] = frozenset()

    @property
    def plan_n(self) -> int:
        """Its newest plan; a payment that nobody planned has one."""
        return max((each.plan_n for each in self.attempts), default=1)

    @property
    def newest(self) -> tuple[Attempt, ...]:
        """The newest attempt of each leg of the newest plan; a tombstone has none."""
        plan_n = self.plan_n
        return tuple({each.leg_n: each for each in self.attempts if each.plan_n == plan_n}.values())

    @property
    def attempt(self) -> Attempt:
        """The newest attempt of the last leg."""
        return self.attempts[-1]

    def tried(self, leg_n: int) -> tuple[str, ...]:
        """Where a leg was tried, in order."""
        return tuple(each.provider for each in self.attempts if each.leg_n == leg_n)

    def find(self, attempt: AttemptId) -> Attempt:
        """One of its attempts."""
        return next(a for a in self.attempts if (a.leg_n, a.n) == (attempt.leg_n, attempt.n))

    def id_of(self, attempt: Attempt) -> AttemptId:
        """How one of its attempts is called."""
        return AttemptId(self.payment_id, attempt.leg_n, attempt.n)

    def moved(self, attempt: AttemptId, **changes: Any) -> "Payment":
        """The same payment with one attempt changed."""
        found = self.find(attempt)
        changed = msgspec.structs.replace(found, **changes)
        attempts = tuple(changed if each is found else each for each in self.attempts)
        return msgspec.structs.replace(self, attempts=attempts)

    def named(self) -> dict[str, str]:
        """How log lines and spans call it: by its id, and by its order if it has one."""
        names = {"payment_id": str(self.payment_id)}
        return names if self.order_id is None else {**names, "order_id": str(self.order_id)}


class Charge(msgspec.Struct, frozen=True):
    """The command: take this much for this order, under this key; as this payment, or (None) as
    whichever the order has, or a new one."""

    payment_id: UUID | None
    order_id: UUID
    amount_minor: int
    currency: str
    idempotency_key: str
    request_hash: bytes
    made_by: MadeBy
    owner: str = "anonymous"
    # Whose wallet pays; None: the connector that is configured takes it.
    wallet_id: str | None = None


# ---- rules ---------------------------------------------------------------------------------------


class KeyReused(Exception):
    """The key already belongs to another request."""


class AnotherPayment(Exception):
    """The payment that was named is not the order's: the order has another one, or the payment is
    for something else."""


class AmountDiffers(Exception):
    """The order already has a payment over something else."""


class Fenced(Exception):
    """The payment was cancelled first, and cancel wins."""


def admit(payment: Payment, charge: Charge) -> None:
    """Whether `charge` is about a payment that exists already; raises what speaks against it."""
    same_key = payment.idempotency_key == charge.idempotency_key
    if same_key and payment.request_hash != charge.request_hash:
        raise KeyReused
    if charge.payment_id not in (None, payment.payment_id):
        raise AnotherPayment
    if payment.order_id not in (None, charge.order_id):
        raise AnotherPayment
    if payment.state in FENCED_STATES:
        raise Fenced
    if payment.order_id is None:
        raise AnotherPayment
    if (payment.amount_minor, payment.currency) != (charge.amount_minor, charge.currency):
        raise AmountDiffers
