"""An authorisation that nobody answered goes on to the next account of the chain."""

from services.payment import legs, outcomes
from services.payment.domain import Attempt, Payment
from services.payment.outcomes import GatewayResult, Silence
from twins.twin import PAYMENTS_ALONE, Fault, Replacement, Twin

_allows_another = outcomes.allows_another


def allows_another_after_silence(payment: Payment, attempt: Attempt, outcome: GatewayResult) -> str:
    """As it was, and silence allows another account as well."""
    is_asked = attempt in payment.newest and attempt.state in ("IN_FLIGHT", "UNKNOWN")
    if isinstance(outcome, Silence) and is_asked and legs.direction(payment) == "take":
        return "no_answer"
    return _allows_another(payment, attempt, outcome)


TWIN = Twin(
    name="retry-next-provider",
    wrong="An account that does not answer is taken for one that declined: the next one is asked.",
    shows="One payment whose money was taken at two accounts.",
    replaced=(
        Replacement("services.payment.outcomes", "allows_another", allows_another_after_silence),
    ),
    door="payment",
    settings=PAYMENTS_ALONE,
    faults=(Fault("acquirer", "lost_response", ("POST /v1/payment_intents/{intent_id}/confirm",)),),
)
