"""Finishes what requests could not: looks up unknown charges, completes voids and refunds.

A payment in PROCESSING is a standing order to charge until somebody cancels it. So when the
provider says it does not know the key, the prober charges again under the same key, whether or
not the caller ever comes back: the provider's idempotency and the cancel's void make that safe,
and no payment is stranded because its caller vanished."""

import asyncio
import logging
from uuid import UUID

from chassis.telemetry import recording
from services.payment import charging, due_work
from services.payment.charging import PaymentContext
from services.payment.outcomes import NotFound
from services.payment.settings import PaymentSettings

logger = logging.getLogger(__name__)

# Enough to clear a backlog of hundreds within seconds, too few to trouble the provider.
AT_ONCE = 4


class PaymentReconciler:
    """One replica's prober; any number may run."""

    def __init__(self, desk: PaymentContext, settings: PaymentSettings) -> None:
        self._desk = desk
        self._poll_s = settings.reconcile_poll_s
        self._batch = settings.reconcile_batch
        self._max_s = settings.payment_probe_max_s
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """For ever. What fails here is started again by the process; the rows stay due."""
        while True:
            driven = await self.run_once()
            # A full batch means more is waiting.
            if driven < self._batch:
                await asyncio.sleep(self._poll_s)

    async def run_once(self) -> int:
        """One round: claim what is due, drive it; the number claimed."""
        async with self._desk.database.connect() as connection:
            due = await due_work.claim_due(
                connection,
                batch=self._batch,
                base_s=self._desk.probe_base_s,
                max_s=self._max_s,
            )
        await asyncio.gather(*(self._guarded(order_id) for order_id in due))
        return len(due)

    async def _guarded(self, order_id: UUID) -> None:
        async with self._places:
            try:
                await reconcile(self._desk, order_id)
            except Exception:  # one payment's trouble must not keep the others waiting
                logger.exception("probing a payment failed", extra={"order_id": order_id})


async def reconcile(desk: PaymentContext, order_id: UUID) -> None:
    """Bring one payment as far as its gateway lets it. Two probers on one payment are harmless."""
    payment = await charging.look(desk, order_id)
    if payment is None:
        return
    with recording.span("probe payment", link=payment.traceparent) as work:
        work.attributes["valerix.order.id"] = str(order_id)
        if payment.state == "PROCESSING":
            payment, said = await charging.run_operation(
                desk, payment, "lookup", desk.gateway_timeout_s
            )
            if payment.state == "PROCESSING" and not isinstance(said, NotFound):
                return  # still silent: the claim has already set when to ask again
        payment = await charging.drive(desk, payment)
        work.attributes["valerix.payment.state"] = payment.state
