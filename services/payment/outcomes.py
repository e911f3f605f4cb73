"""What a gateway can answer and what that does to a payment: one table, whoever asked."""

import msgspec

from gateways import Authorised, Captured, Declined, NotFound, Refunded, Voided
from services.payment import legs
from services.payment.domain import (
    PAYMENT_TRANSITIONS,
    Attempt,
    AttemptState,
    DecisionKind,
    Payment,
    PaymentState,
)
from services.payment.ledger import postings
from services.payment.ledger.postings import Line
from services.payment.routing.next_account import Next


class Silence(msgspec.Struct, frozen=True):
    """No answer that can be relied on: timeout, 5xx, garbage, or a request that was never sent."""

    why: str


class NeverSent(msgspec.Struct, frozen=True):
    """The request for the money certainly never left; somebody else's may have."""

    why: str


GatewayResult = (
    Authorised | Captured | Declined | Voided | Refunded | NotFound | Silence | NeverSent
)


class OutcomeEffect(msgspec.Struct, frozen=True):
    """What a result does: the states each row passes through, what is posted to the ledger, what is
    decided about all legs together, or why a human must look (`review`), and then nothing moves."""

    attempt_path: tuple[AttemptState, ...] = ()
    payment_path: tuple[PaymentState, ...] = ()
    lines: tuple[Line, ...] = ()
    review: str = ""
    decision: DecisionKind | None = None
    next_account: Next | None = None


# For each result and each state it can meet, the states passed through. () repeats what is known;
# a state that is missing contradicts an earlier answer of the gateway.
_ATTEMPT_PATHS: dict[type[GatewayResult], dict[AttemptState, tuple[AttemptState, ...]]] = {
    # The answer to an older question comes late, and says what was true once.
    Authorised: {
        "IN_FLIGHT": ("AUTHORISED",),
        "UNKNOWN": ("AUTHORISED",),
        "AUTHORISED": (),
        "SUCCEEDED": (),
        "FAILED": (),
        "VOIDED": (),
        "REFUNDED": (),
    },
    Captured: {
        "IN_FLIGHT": ("SUCCEEDED",),
        "UNKNOWN": ("SUCCEEDED",),
        "AUTHORISED": ("SUCCEEDED",),
        "VOIDED": ("SUCCEEDED",),  # a late capture at a gateway that does not fence
        "SUCCEEDED": (),
        "REFUNDED": (),
    },
    Declined: {
        "IN_FLIGHT": ("FAILED",),
        "UNKNOWN": ("FAILED",),
        "AUTHORISED": ("FAILED",),
        "FAILED": (),
        "VOIDED": (),
    },
    Voided: {
        "IN_FLIGHT": ("VOIDED",),
        "UNKNOWN": ("VOIDED",),
        "AUTHORISED": ("VOIDED",),
        "VOIDED": (),
        "FAILED": (),
        # The void ran beside a capture that has been settled meanwhile.
        "SUCCEEDED": (),
        "REFUNDED": (),
    },
    Refunded: {
        "IN_FLIGHT": ("SUCCEEDED", "REFUNDED"),
        "UNKNOWN": ("SUCCEEDED", "REFUNDED"),
        "AUTHORISED": ("SUCCEEDED", "REFUNDED"),
        "VOIDED": ("SUCCEEDED", "REFUNDED"),
        "SUCCEEDED": ("REFUNDED",),
        "REFUNDED": (),
    },
}
_SILENT: dict[AttemptState, tuple[AttemptState, ...]] = {"IN_FLIGHT": ("UNKNOWN",)}


def allows_another(payment: Payment, attempt: Attempt, outcome: GatewayResult) -> str:
    """The code of a definite no after which another account may be asked for the leg; "" where it
    may not. That a request was not sent is a no only of the one driver that ever began to ask."""
    if legs.direction(payment) != "take" or attempt not in payment.newest:
        return ""
    if isinstance(outcome, Declined) and attempt.state in ("IN_FLIGHT", "UNKNOWN"):
        return outcome.code
    is_alone = attempt.state == "IN_FLIGHT" and attempt.asks == 1
    return "not_sent" if isinstance(outcome, NeverSent) and is_alone else ""


def outcome_effect(
    payment: Payment, attempt: Attempt, outcome: GatewayResult, further: Next | None = None
) -> OutcomeEffect:
    """What `outcome` does to one attempt and, by how its legs stand then, to the payment; `further`
    is where the leg goes on, where `allows_another` and there is an account.

    Silence is never a no, whatever the attempt's age (rule R5)."""
    if further is not None:
        return OutcomeEffect(attempt_path=("FAILED",), next_account=further)
    if isinstance(outcome, Silence | NotFound | NeverSent):
        return OutcomeEffect(attempt_path=_SILENT.get(attempt.state, ()))
    why = _contradiction(payment, attempt, outcome)
    if why:
        return OutcomeEffect(review=why)
    attempt_path = _ATTEMPT_PATHS[type(outcome)][attempt.state]
    if not attempt_path:
        return OutcomeEffect()
    after = payment.moved(payment.id_of(attempt), state=attempt_path[-1])
    decision = legs.decision_due(after)
    if decision is not None:
        after = msgspec.structs.replace(after, decided=after.decided | {decision})
    payment_path = legs.path(
        payment.state, legs.payment_state(legs.states(after), legs.direction(after))
    )
    steps = zip((payment.state, *payment_path), payment_path, strict=False)
    if not set(steps) <= PAYMENT_TRANSITIONS:
        return OutcomeEffect(review=f"{type(outcome).__name__} while {payment.state}")
    lines = [line for state in attempt_path for line in postings.posted(attempt, state)]
    return OutcomeEffect(attempt_path, payment_path, tuple(lines), decision=decision)


def _contradiction(payment: Payment, attempt: Attempt, outcome: GatewayResult) -> str:
    """Why a human must look at this answer, or ""."""
    if isinstance(outcome, Authorised | Captured | Refunded):
        taken = (outcome.amount_minor, outcome.currency)
        if taken != (attempt.amount_minor, attempt.currency):
            return f"the gateway took {taken[0]} {taken[1]}"
    found = f"{type(outcome).__name__} after {attempt.state}"
    if attempt.state not in _ATTEMPT_PATHS[type(outcome)]:
        return found
    if attempt not in payment.newest and _ATTEMPT_PATHS[type(outcome)][attempt.state]:
        return f"{found}, and another has taken its place"
    if isinstance(outcome, Authorised) and attempt.state == "FAILED" and not attempt.was_authorised:
        return found
    several = len(payment.newest) > 1
    if several and isinstance(outcome, Refunded) and legs.direction(payment) == "take":
        return "the gateway gave one leg back, and nobody had asked for it"
    return ""
