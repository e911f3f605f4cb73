"""Finishes what requests could not: looks up unknown charges, completes voids and refunds.

A payment in PROCESSING is a standing order to charge until somebody cancels it. So when the
provider does not know the key, the reconciler charges again under the same key, whether or not
the caller ever comes back: the provider's idempotency and the cancel's void make that safe, and no
payment is stranded because its caller vanished."""

from uuid import UUID

from chassis.due_work import DueWorker
from chassis.telemetry import recording
from services.payment import asking, charging, legs, operations
from services.payment.context import PaymentContext
from services.payment.due_work import PAYMENTS_DUE
from services.payment.due_worker import due_worker
from services.payment.settings import PaymentSettings

# Enough to clear a backlog of hundreds within seconds, too few to trouble the provider.
AT_ONCE = 4


def payment_reconciler(context: PaymentContext, settings: PaymentSettings) -> DueWorker:
    """One replica's reconciler; any number may run."""
    return due_worker(
        context,
        settings,
        PAYMENTS_DUE,
        reconcile,
        places=AT_ONCE,
        poll_s=settings.reconcile_poll_s,
        log_key="payment_id",
    )


async def reconcile(context: PaymentContext, payment_id: UUID) -> None:
    """Bring one payment as far as its gateway lets it. Two at once on one payment are harmless."""
    payment = await charging.look(context, payment_id)
    if payment is None:
        return
    with recording.span("reconcile payment", link=payment.traceparent) as work:
        work.attributes.update(asking.span_names(payment))
        silent: frozenset[str] = frozenset()
        if legs.direction(payment) == "take":
            payment, silent = await operations.find_out(context, payment)
        # Who is still silent was asked: the claim has already set when to ask again.
        payment = await operations.drive(context, payment, but=silent, is_first=False)
        work.attributes["valerix.payment.state"] = payment.state
