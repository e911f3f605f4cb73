"""What the wallet service counts, and what is waiting, read from the database now and then."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import text

from chassis.database.pace import PollPace
from chassis.database.pool import Database, statement

_EVERY_S = 2.0
_WAITING = statement(
    text(
        "SELECT count(*) AS pending,"
        " coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float8 AS lag_s,"
        " (SELECT count(*) FROM wallets.entries WHERE chained AND version IS NULL) AS unsealed"
        " FROM wallets.attempts WHERE state IN ('IN_FLIGHT', 'UNKNOWN')"
    ),
    "SELECT wallets waiting",
)
_OUTCOMES = ("approved", "declined", "insufficient_funds", "gateway_error", "unknown", "refused")


class WalletMetrics:
    """Counters touched on the way."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._payments = Counter(
            "valerix_wallet_payments", "Answers to payments from wallets.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        for outcome in _OUTCOMES:
            self._payments.labels(outcome)
        self._gateway_s = Histogram(
            "valerix_wallet_gateway_seconds", "Seconds that the wallets' account took.",
            ("operation", "outcome"), registry=registry,
        )  # fmt: skip
        self.pending = Gauge(
            "valerix_wallet_payments_pending",
            "Payments that are not decided.",
            registry=registry,
        )
        self.unsealed = Gauge(
            "valerix_wallet_credits_unsealed", "Credits that are not sealed yet.", registry=registry
        )
        self.lag = Gauge(
            "valerix_wallet_reconciler_lag_seconds",
            "How long the most overdue payment has been due.", registry=registry,
        )  # fmt: skip

    def answered(self, outcome: str) -> None:
        """A payment was answered."""
        self._payments.labels(outcome if outcome in _OUTCOMES else "refused").inc()

    def asked(self, operation: str, outcome: str, seconds: float) -> None:
        """The gateway was asked."""
        self._gateway_s.labels(operation, outcome).observe(seconds)


class WaitingGauges:
    """Keeps the gauges fresh, off every request's way."""

    def __init__(self, database: Database, metrics: WalletMetrics) -> None:
        self._database = database
        self._metrics = metrics

    async def run(self) -> None:
        """Refresh for ever."""
        pace = PollPace(self._database, _EVERY_S)
        while True:
            async with self._database.connect() as connection:
                row = await connection.row(_WAITING)
            if row is not None:
                self._metrics.pending.set(row["pending"])
                self._metrics.unsealed.set(row["unsealed"])
                self._metrics.lag.set(max(0.0, row["lag_s"]))
            await pace.wait(is_quiet=row is None or not (row["pending"] or row["unsealed"]))
