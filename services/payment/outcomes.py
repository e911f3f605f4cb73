"""What a gateway can answer and what that does to a payment: one table, whoever asked."""

import msgspec

from services.payment.domain import Attempt, AttemptState, Payment, PaymentState
from services.payment.ledger import postings
from services.payment.ledger.postings import Line


class Captured(msgspec.Struct, frozen=True):
    """The money was taken."""

    amount_minor: int
    currency: str


class Declined(msgspec.Struct, frozen=True):
    """The gateway declined; nothing was taken."""

    code: str


class Voided(msgspec.Struct, frozen=True):
    """Nothing was taken; a fencing gateway will also refuse a charge that comes later."""


class Refunded(msgspec.Struct, frozen=True):
    """The money was taken and has been given back."""

    amount_minor: int
    currency: str


class NotFound(msgspec.Struct, frozen=True):
    """The gateway does not know the key now. It may yet: the request can still be on its way."""


class Silence(msgspec.Struct, frozen=True):
    """No answer that can be relied on: timeout, 5xx, garbage, or a request that was never sent."""

    why: str


GatewayResult = Captured | Declined | Voided | Refunded | NotFound | Silence


class OutcomeEffect(msgspec.Struct, frozen=True):
    """What a result does: the states each row passes through, what is posted to the ledger, or
    why a human must look (`review`), in which case nothing moves."""

    attempt_path: tuple[AttemptState, ...] = ()
    payment_path: tuple[PaymentState, ...] = ()
    lines: tuple[Line, ...] = ()
    review: str = ""


# For each result and each state it can meet, the states passed through. () repeats what is known;
# a state that is missing contradicts an earlier answer of the gateway.
_ATTEMPT_PATHS: dict[type[GatewayResult], dict[AttemptState, tuple[AttemptState, ...]]] = {
    Captured: {
        "IN_FLIGHT": ("SUCCEEDED",),
        "UNKNOWN": ("SUCCEEDED",),
        "VOIDED": ("SUCCEEDED",),  # a late capture at a gateway that does not fence
        "SUCCEEDED": (),
        "REFUNDED": (),
    },
    Declined: {"IN_FLIGHT": ("FAILED",), "UNKNOWN": ("FAILED",), "FAILED": (), "VOIDED": ()},
    Voided: {
        "IN_FLIGHT": ("VOIDED",),
        "UNKNOWN": ("VOIDED",),
        "VOIDED": (),
        "FAILED": (),
        # The void ran beside a capture that has been settled meanwhile.
        "SUCCEEDED": (),
        "REFUNDED": (),
    },
    Refunded: {
        "IN_FLIGHT": ("SUCCEEDED", "REFUNDED"),
        "UNKNOWN": ("SUCCEEDED", "REFUNDED"),
        "VOIDED": ("SUCCEEDED", "REFUNDED"),
        "SUCCEEDED": ("REFUNDED",),
        "REFUNDED": (),
    },
}
_SILENT: dict[AttemptState, tuple[AttemptState, ...]] = {"IN_FLIGHT": ("UNKNOWN",)}

# Once all legs stand alike, for each state the payment can be in, the states it passes through.
# While they do not, it stays as it is.
_PAYMENT_PATHS: dict[AttemptState, dict[PaymentState, tuple[PaymentState, ...]]] = {
    "SUCCEEDED": {
        "PROCESSING": ("SUCCEEDED",),
        "CANCELLING": ("REFUND_PENDING",),
        "CANCELLED": ("REFUND_PENDING",),
    },
    "FAILED": {"PROCESSING": ("FAILED",), "CANCELLING": ("FAILED",)},
    "VOIDED": {
        "PROCESSING": ("CANCELLING", "CANCELLED"),  # someone voided it at the gateway
        "CANCELLING": ("CANCELLED",),
    },
    "REFUNDED": {
        "PROCESSING": ("SUCCEEDED", "REFUND_PENDING", "REFUNDED"),
        "CANCELLING": ("REFUND_PENDING", "REFUNDED"),
        "CANCELLED": ("REFUND_PENDING", "REFUNDED"),
        "SUCCEEDED": ("REFUND_PENDING", "REFUNDED"),
        "REFUND_PENDING": ("REFUNDED",),
    },
}


def outcome_effect(payment: Payment, attempt: Attempt, outcome: GatewayResult) -> OutcomeEffect:
    """What `outcome` does to one attempt and, by how its legs stand then, to the payment.

    Silence is never a no, whatever the attempt's age (rule R5)."""
    if isinstance(outcome, Silence | NotFound):
        return OutcomeEffect(attempt_path=_SILENT.get(attempt.state, ()))
    if isinstance(outcome, Captured | Refunded):
        taken = (outcome.amount_minor, outcome.currency)
        if taken != (attempt.amount_minor, attempt.currency):
            return OutcomeEffect(review=f"the gateway took {taken[0]} {taken[1]}")
    attempt_path = _ATTEMPT_PATHS[type(outcome)].get(attempt.state)
    if attempt_path is None:
        return OutcomeEffect(review=f"{type(outcome).__name__} after {attempt.state}")
    if not attempt_path:
        return OutcomeEffect()
    payment_path = _payment_path(payment.moved(payment.id_of(attempt), state=attempt_path[-1]))
    if payment_path is None:
        return OutcomeEffect(review=f"{type(outcome).__name__} while {payment.state}")
    lines = [line for state in attempt_path for line in postings.posted(attempt, state)]
    return OutcomeEffect(attempt_path, payment_path, tuple(lines))


def _payment_path(payment: Payment) -> tuple[PaymentState, ...] | None:
    """Where the payment goes from how its legs stand; None where it cannot follow them."""
    stand = payment.leg_states()
    if len(stand) > 1:
        return ()
    [all_of_them] = stand
    return _PAYMENT_PATHS[all_of_them].get(payment.state)
