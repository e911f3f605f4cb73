"""The payment service's own metrics: what moved, was decided and answered, and what is in doubt."""

import math
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.database.pace import PollPace
from chassis.database.pool import Database
from services.payment import due_work
from services.payment.contract import BREAK_KINDS

# The scrape interval: a figure is at most one scrape old, and no scrape costs a statement.
_EVERY_S = 2.0
# A plan is worked out in well under a millisecond; a search that ends at its bound of work takes
# some tens.
_PLAN_BUCKETS = (.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1)  # fmt: skip
# From an account in this process to the longest budget of a merchant.
_PROVIDER_BUCKETS = (.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)  # fmt: skip

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
        self._count(registry)
        self._count_decisions(registry)
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

    def _count(self, registry: CollectorRegistry) -> None:
        self._payments = Counter(
            "valerix_payments",
            "Payments that came to a state; PROCESSING are those that were opened.",
            ("outcome",),
            registry=registry,
        )
        self._legs = Counter(
            "valerix_legs",
            "Legs that came to a state, by the account that had the leg then.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._attempts = Counter(
            "valerix_route_attempts",
            "Requests for money, by what the account answered; no answer is `silence`.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._fees = Counter(
            "valerix_fees_minor",
            "Fees of planned legs that were captured, by the terms of their plan; minor units, all"
            " currencies added.",
            ("provider",),
            registry=registry,
        )
        self._retries = Counter(
            "valerix_provider_retries",
            "Requests that were repeated within one attempt.",
            ("provider", "operation"),
            registry=registry,
        )
        self._provider_s = Histogram(
            "valerix_provider_seconds",
            "Seconds until an account answered, or did not in time.",
            ("provider", "operation"),
            buckets=_PROVIDER_BUCKETS,
            registry=registry,
        )

    def _count_decisions(self, registry: CollectorRegistry) -> None:
        self._plans = Counter(
            "plan_requests",
            "Plans asked for: once a request, and again where its accounts' capacity was taken.",
            registry=registry,
        )
        self._plan_s = Histogram(
            "plan_build_duration_seconds",
            "Seconds that policy and plan of a request took.",
            buckets=_PLAN_BUCKETS,
            registry=registry,
        )
        self._policies = Counter(
            "valerix_policy_decisions",
            "What merchants' policies said, each time one was asked.",
            ("action",),
            registry=registry,
        )
        self._policy_errors = Counter(
            "valerix_policy_errors",
            "Conditions of policies that failed when they were asked.",
            registry=registry,
        )

    def moved(self, state: str) -> None:
        """A payment came to `state`, committed."""
        self._payments.labels(state).inc()

    def leg_moved(self, provider: str, state: str) -> None:
        """A leg that this account has came to `state`, committed."""
        self._legs.labels(provider, state).inc()

    def answered(self, provider: str, operation: str, outcome: str, seconds: float) -> None:
        """An account answered (or did not: outcome `silence`) what it was asked."""
        self._provider_s.labels(provider, _label(operation)).observe(seconds)
        if operation in ("charge", "authorise"):
            self._attempts.labels(provider, outcome).inc()

    def retried(self, provider: str, operation: str) -> None:
        """A request was repeated that had not been sent, or that takes no money."""
        self._retries.labels(provider, _label(operation)).inc()

    def charged_fee(self, provider: str, fee_minor: int) -> None:
        """A leg was captured for this fee."""
        self._fees.labels(provider).inc(fee_minor)

    def planned(self, seconds: float) -> None:
        """A request was decided: a plan, or why there is none."""
        self._plans.inc()
        self._plan_s.observe(seconds)

    def ruled(self, action: str, *, failed: bool) -> None:
        """A policy said this; `failed` where a condition could not be evaluated."""
        self._policies.labels(action).inc()
        self._policy_errors.inc(failed)

    def webhook(self, provider: str, result: WebhookResult) -> None:
        """A webhook was answered."""
        self._webhooks.labels(provider, result).inc()

    async def run(self) -> None:
        """Keep the gauges fresh for ever; without a database there is no figure, not an old one."""
        pace = PollPace(self._database, _EVERY_S)
        while True:
            try:
                is_quiet = await self.refresh()
            except Exception:
                self._forget()
                raise
            await pace.wait(is_quiet=is_quiet)

    async def close(self) -> None:
        """Close the gauges' own connection."""
        await self._database.close()

    async def refresh(self) -> bool:
        """Read the gauges from the tables once; whether nothing is left that grows older."""
        async with self._database.connect() as connection:
            doubt = await due_work.doubt(connection)
        self._in_doubt.set(doubt.in_doubt_minor)
        self._needing_review.set(doubt.needing_review)
        self._webhook_lag.set(doubt.webhook_lag_s)
        self._break_age.set(doubt.oldest_break_s)
        for kind in BREAK_KINDS:
            self._breaks.labels(kind).set(doubt.open_breaks.get(kind, 0))
        return not (doubt.in_doubt_minor or doubt.webhook_lag_s or doubt.oldest_break_s)

    def _forget(self) -> None:
        self._in_doubt.set(math.nan)
        self._needing_review.set(math.nan)
        self._webhook_lag.set(math.nan)
        self._break_age.set(math.nan)
        for kind in BREAK_KINDS:
            self._breaks.labels(kind).set(math.nan)


def _label(operation: str) -> str:
    return operation.replace(" ", "_")
