"""What the order service counts: answers, decisions, and what is still waiting."""

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.database.pace import PollPace
from chassis.database.pool import Database
from services.order.domain import Order
from services.order.due_work import ORDERS_DUE

logger = logging.getLogger("order")

_EVERY_S = 2.0
_OPEN = ("PENDING", "PENDING_INVENTORY", "PENDING_PAYMENT", "CANCELLING")
# From one good order to the 15 minutes after which an order gives up.
_SETTLE = (.025, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800)  # fmt: skip


class OrderMetrics:
    """Counters touched on the way, and gauges read from the database now and then."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "valerix_orders",
            "Answers to POST /orders: confirmed is good, degraded is accepted but not decided.",
            ("outcome",), registry=registry,
        )  # fmt: skip
        for outcome in ("confirmed", "degraded", "declined", "out_of_stock", "failed"):
            self._answers.labels(outcome)
        self._settled = Counter(
            "valerix_orders_settled", "Final decisions.", ("status", "reason"), registry=registry
        )
        self._settle_s = Histogram(
            "valerix_order_settle_seconds", "Seconds from placed to decided.", ("status",),
            buckets=_SETTLE, registry=registry,
        )  # fmt: skip
        self.contract_alarms = Counter(
            "valerix_contract_alarms", "Refusals that mean a bug between services.",
            registry=registry,
        )  # fmt: skip
        self.pending = Gauge(
            "valerix_orders_pending", "Orders without a decision.", ("status",), registry=registry
        )
        self.uncommitted = Gauge(
            "valerix_orders_uncommitted", "Confirmed orders whose stock is not marked sold yet.",
            registry=registry,
        )  # fmt: skip
        self.lag = Gauge(
            "valerix_reconciler_lag_seconds", "How long the most overdue order has been due.",
            registry=registry,
        )  # fmt: skip

    def answered(self, outcome: str) -> None:
        """One answer to POST /orders went out."""
        self._answers.labels(outcome).inc()

    def moved(self, before: Order, after: Order) -> None:
        """An order changed state, or waits: one log line, and the counters when it is decided."""
        logger.log(
            logging.WARNING if after.last_outcome else logging.INFO,
            "order %s",
            after.status,
            extra={
                "order_id": str(after.id), "from": before.status, "reason": after.reason,
                "outcome": after.last_outcome, "attempts": after.attempts,
            },
        )  # fmt: skip
        if after.settled_at is not None:
            self._settled.labels(after.status, after.reason or "").inc()
            seconds = (after.settled_at - after.created_at).total_seconds()
            self._settle_s.labels(after.status).observe(seconds)


class BacklogGauges:
    """Keeps the gauges fresh, off every request's way."""

    def __init__(self, database: Database, metrics: OrderMetrics) -> None:
        self._database = database
        self._metrics = metrics

    async def run(self) -> None:
        """Refresh for ever."""
        pace = PollPace(self._database, _EVERY_S)
        while True:
            async with self._database.connect() as connection:
                found = await ORDERS_DUE.backlog(connection)
            waiting = {status: orders for status, orders, _ in found}
            for status in _OPEN:
                self._metrics.pending.labels(status).set(waiting.get(status, 0))
            self._metrics.uncommitted.set(waiting.get("CONFIRMED", 0))
            self._metrics.lag.set(max((lag_s for _, _, lag_s in found), default=0.0))
            await pace.wait(is_quiet=not found)
