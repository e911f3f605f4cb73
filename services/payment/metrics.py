"""The payment service's own metrics: what moved, what providers answered, what is in doubt."""

import asyncio
import math
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.database.pool import Database
from services.payment import due_work
from services.payment.contract import BREAK_KINDS

# The scrape interval: a figure is at most one scrape old, and no scrape costs a statement.
_EVERY_S = 2.0

# How a webhook was answered: kept in the inbox, or there already, or of a type that changes
# nothing; refused; or not yet, because the secret of its account is not known.
WebhookResult = Literal[
    "accepted", "repeated", "ignored", "bad_signature", "no_signature", "stale", "malformed",
    "too_large", "no_secret", "unknown_account",
]  # fmt: skip


class PaymentMetrics:
    """One process's counters, and the gauges every replica reads from the same tables, on a
    connection of their own, so that they stay fresh while the pool is exhausted."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._payments = Counter(
            "valerix_payments",
            "Payments that entered a state.",
            ("state",),
            registry=registry,
        )
        self._attempts = Counter(
            "valerix_payment_attempts",
            "What providers answered.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._in_doubt = Gauge(
            "valerix_money_in_doubt_minor",
            "Minor units, all currencies added, in attempts whose outcome is not known.",
            registry=registry,
        )
        self._needing_review = Gauge(
            "valerix_payments_needing_review",
            "Payments that no retry can resolve.",
            registry=registry,
        )
        self._webhooks = Counter(
            "valerix_webhooks",
            "Webhooks that came in, by how they were answered.",
            ("provider", "result"),
            registry=registry,
        )
        self._webhook_lag = Gauge(
            "valerix_webhook_lag_seconds",
            "How long the oldest event in the inbox has waited for its effect.",
            registry=registry,
        )
        self._breaks = Gauge(
            "valerix_reconciliation_breaks",
            "Open differences between the accounts' settlement files and our ledger.",
            ("kind",),
            registry=registry,
        )
        self._break_age = Gauge(
            "valerix_reconciliation_break_age_seconds",
            "Age of the oldest open difference; 0 where there is none.",
            registry=registry,
        )
        self._forget()

    def moved(self, state: str) -> None:
        """A payment entered `state`, committed."""
        self._payments.labels(state).inc()

    def answered(self, provider: str, outcome: str) -> None:
        """A provider answered (or did not: outcome `silence`)."""
        self._attempts.labels(provider, outcome).inc()

    def webhook(self, provider: str, result: WebhookResult) -> None:
        """A webhook was answered."""
        self._webhooks.labels(provider, result).inc()

    async def run(self) -> None:
        """Keep the gauges fresh for ever; without a database there is no figure, not an old one."""
        while True:
            try:
                await self.refresh()
            except Exception:
                self._forget()
                raise
            await asyncio.sleep(_EVERY_S)

    async def close(self) -> None:
        """Close the gauges' own connection."""
        await self._database.close()

    async def refresh(self) -> None:
        """Read the gauges from the tables once."""
        async with self._database.connect() as connection:
            doubt = await due_work.doubt(connection)
        self._in_doubt.set(doubt.in_doubt_minor)
        self._needing_review.set(doubt.needing_review)
        self._webhook_lag.set(doubt.webhook_lag_s)
        self._break_age.set(doubt.oldest_break_s)
        for kind in BREAK_KINDS:
            self._breaks.labels(kind).set(doubt.open_breaks.get(kind, 0))

    def _forget(self) -> None:
        self._in_doubt.set(math.nan)
        self._needing_review.set(math.nan)
        self._webhook_lag.set(math.nan)
        self._break_age.set(math.nan)
        for kind in BREAK_KINDS:
            self._breaks.labels(kind).set(math.nan)
