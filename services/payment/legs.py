"""A payment's legs are all or nothing: what its state is, what is decided, what is asked next.

A payment in several legs is authorised first, at every gateway. Once all of them hold the money,
one row decides to capture, and then each leg is captured. If one of them cannot be had, that is
decided, and all others are given up; those that were captured by then are refunded. So the money of
a payment is taken whole, or none of it is kept. A payment in one leg needs no decision: its gateway
authorises and captures in one step.

A plan all of whose legs definitely came to nothing can be replaced, once: then all of this holds
for the legs of the next one.

All here are pure functions of how the legs stand (each as its newest attempt does) and of what was
decided, so whoever asks, in whatever order answers came, gets the same."""

from collections.abc import Sequence
from typing import Literal

from services.payment.domain import (
    MOST_PLANS,
    WALLET,
    Attempt,
    AttemptState,
    DecisionKind,
    Payment,
    PaymentState,
)

# Where a payment is going: its money is taken, or given back because a leg cannot be had, or given
# back because somebody cancelled it.
Direction = Literal["take", "give-up", "cancel"]
Operation = Literal["charge", "authorise", "capture", "void", "refund"]

# A gateway may still hold or take money.
OPEN: frozenset[AttemptState] = frozenset({"IN_FLIGHT", "UNKNOWN", "AUTHORISED"})
HELD: frozenset[AttemptState] = frozenset({"AUTHORISED", "SUCCEEDED"})
LOST: frozenset[AttemptState] = frozenset({"FAILED", "VOIDED", "REFUNDED"})
_TURNED: frozenset[DecisionKind] = frozenset({"void", "compensate"})
_TAKEN: frozenset[DecisionKind] = frozenset({"capture", "compensate"})
# Nothing was taken, and nothing can be any more.
_NOTHING: frozenset[AttemptState] = frozenset({"FAILED", "VOIDED"})
# Where one leg alone leaves its payment while its money is to be taken.
_ALONE: dict[AttemptState, PaymentState] = {
    "SUCCEEDED": "SUCCEEDED",
    "FAILED": "FAILED",
    "VOIDED": "CANCELLED",  # someone voided it at the gateway
    "REFUNDED": "REFUNDED",
}
# A state that is not reached in one step is reached through these.
_THROUGH: dict[tuple[PaymentState, PaymentState], tuple[PaymentState, ...]] = {
    ("PROCESSING", "CANCELLED"): ("CANCELLING",),
    ("PROCESSING", "REFUNDED"): ("SUCCEEDED", "REFUND_PENDING"),
    ("CANCELLING", "REFUNDED"): ("REFUND_PENDING",),
    ("CANCELLED", "REFUNDED"): ("REFUND_PENDING",),
    ("SUCCEEDED", "REFUNDED"): ("REFUND_PENDING",),
}


def states(payment: Payment) -> tuple[AttemptState, ...]:
    """How each leg stands."""
    return tuple(each.state for each in payment.newest)


def direction(payment: Payment) -> Direction:
    """Where the payment is going. A cancel is recorded by its state and its reason."""
    turned = bool(payment.decided & _TURNED)
    if payment.cancel_reason is not None or payment.state in ("CANCELLING", "CANCELLED"):
        return "cancel"
    if payment.state in ("REFUND_PENDING", "REFUNDED") and not turned:
        return "cancel"
    return "give-up" if turned else "take"


def payment_state(legs: Sequence[AttemptState], going: Direction) -> PaymentState:
    """The state of a payment whose legs stand so."""
    stand = frozenset(legs)
    if going == "take":
        if stand == {"SUCCEEDED"}:
            return "SUCCEEDED"
        return _ALONE.get(legs[0], "PROCESSING") if len(legs) == 1 else "PROCESSING"
    if stand & OPEN:
        return "CANCELLING" if going == "cancel" else "PROCESSING"
    if "SUCCEEDED" in stand:
        return "REFUND_PENDING"
    if going == "give-up":
        return "FAILED"
    if "REFUNDED" in stand:
        return "REFUNDED"
    return "FAILED" if stand == {"FAILED"} else "CANCELLED"


def decision_due(payment: Payment) -> DecisionKind | None:
    """What has to be decided about all legs together, now that they stand so."""
    stand = frozenset(states(payment))
    if len(payment.newest) < 2 or direction(payment) != "take":
        return None
    if stand & LOST:
        taken = "capture" in payment.decided or "SUCCEEDED" in stand
        return "compensate" if taken else "void"
    if stand <= HELD and "capture" not in payment.decided:
        return "capture"
    return None


def may_be_replaced(payment: Payment) -> bool:
    """Whether another plan may take the place of this one: every leg definitely took nothing. One
    that is unknown blocks it, as it blocks every decision."""
    return (
        payment.plan_n < MOST_PLANS
        and direction(payment) != "cancel"
        and frozenset(states(payment)) <= _NOTHING
        and not payment.decided & _TAKEN
    )


def path(src: PaymentState, dst: PaymentState) -> tuple[PaymentState, ...]:
    """The states passed through on the way, with the last; () where it is there already."""
    return () if src == dst else (*_THROUGH.get((src, dst), ()), dst)


def operation(payment: Payment, attempt: Attempt) -> Operation | None:
    """What to ask the gateway of the newest attempt of a leg; None where nothing is left to do."""
    alone = len(payment.newest) == 1
    if direction(payment) == "take":
        if attempt.state in ("IN_FLIGHT", "UNKNOWN"):
            if _waits(payment, attempt):
                return None
            return "charge" if alone else "authorise"
        captures = attempt.state == "AUTHORISED" and (alone or "capture" in payment.decided)
        return "capture" if captures else None
    if attempt.state in OPEN:
        return "void"
    return "refund" if attempt.state == "SUCCEEDED" else None


def _waits(payment: Payment, attempt: Attempt) -> bool:
    """A wallet is asked last, once every other leg is held: most payments that fail fail at a card,
    and then no money in a wallet was held for nothing."""
    others = (each for each in payment.newest if each.leg_n != attempt.leg_n)
    return attempt.provider == WALLET and any(each.state not in HELD for each in others)
