"""Finishes payments that no request finished: finds out what became of each, and ends it.

What the gateway was never asked for is given back; what it was asked for is looked up by its name,
and cancelled there where it was not taken. Silence leaves it due."""

import logging
from uuid import UUID

from chassis.database.pool import Connection, Database
from chassis.due_work import DueWorker
from chassis.telemetry import recording
from services.wallet import store
from services.wallet.domain import NotKnown
from services.wallet.gateway import Gateway
from services.wallet.paying import WalletPayments
from services.wallet.settings import WalletSettings
from services.wallet.store import PAYMENTS_DUE

logger = logging.getLogger(__name__)

# As many as the payment service repairs at once.
AT_ONCE = 4


class WalletReconciler:
    """One replica's; any number may run."""

    def __init__(
        self,
        database: Database,
        payments: WalletPayments,
        gateway: Gateway,
        settings: WalletSettings,
    ) -> None:
        self._database = database
        self._payments = payments
        self._gateway = gateway
        self._settings = settings
        self.worker = DueWorker(
            database,
            self._claim,
            self.repair,
            places=AT_ONCE,
            batch=settings.reconcile_batch,
            poll_s=settings.reconcile_poll_s,
            log_key="transaction_id",
            is_any=PAYMENTS_DUE.is_any,
        )

    async def _claim(self, c: Connection, most: int) -> list[UUID]:
        base_s, max_s = self._settings.wallet_probe_base_s, self._settings.wallet_probe_max_s
        return await PAYMENTS_DUE.claim(c, most, base_s=base_s, max_s=max_s)

    async def repair(self, transaction_id: UUID) -> None:
        """Bring one payment to its end, if the gateway lets it."""
        async with self._database.connect() as connection:
            attempt = await store.find_attempt(connection, transaction_id)
        if attempt is None:
            return
        with recording.span("reconcile wallet payment") as work:
            work.attributes["valerix.transaction.id"] = str(transaction_id)
            await self._gateway.open()
            outcome = await self._gateway.find_out(attempt)
            if isinstance(outcome, NotKnown):
                logger.warning(
                    "still not known: %s", outcome.why,
                    extra={"transaction_id": str(transaction_id)},
                )  # fmt: skip
                return
            reply = await self._payments.end(attempt, outcome)
            work.attributes["valerix.outcome"] = reply.outcome
