"""A charge that is still pending at the last poll has failed."""

from datetime import UTC, datetime
from uuid import UUID

from gateways import Declined
from services.payment import charging, reconciler, settlement
from services.payment.context import PaymentContext
from twins.twin import PAYMENTS_ALONE, Fault, Replacement, Twin

# In the world it is minutes or hours; the age decides nothing.
_LAST_POLL_S = 2.0
_reconcile = reconciler.reconcile


async def reconcile_or_fail(context: PaymentContext, payment_id: UUID) -> None:
    """As it was; then what is in doubt and old is called declined."""
    await _reconcile(context, payment_id)
    payment = await charging.look(context, payment_id)
    if payment is None or payment.state != "PROCESSING":
        return
    for attempt in payment.newest:
        age_s = (datetime.now(UTC) - attempt.created_at).total_seconds()
        if attempt.state in ("IN_FLIGHT", "UNKNOWN") and age_s > _LAST_POLL_S:
            await settlement.settle(
                context.database,
                context.metrics,
                payment.id_of(attempt),
                Declined("pending_too_long"),
                grace_s=context.grace_s,
            )


TWIN = Twin(
    name="fail-when-old",
    wrong="A charge that is still pending at the last poll is called FAILED.",
    shows="A payment that FAILED while the account has its money.",
    replaced=(Replacement("services.payment.reconciler", "reconcile", reconcile_or_fail),),
    door="payment",
    settings=PAYMENTS_ALONE,
    faults=(
        Fault("acquirer", "lost_response", ("POST /v1/payment_intents/{intent_id}/confirm",)),
        Fault("acquirer", "error", ("GET /v1/payment_intents/{object_id}",)),
    ),
)
