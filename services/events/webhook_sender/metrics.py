"""What the webhook sender did, in numbers."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class WebhookMetrics:
    """Labels are closed lists: no merchant and no address is one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "valerix_webhook_attempts",
            "What became of an attempt: sent, refused (it is tried again), dead or disabled.",
            ("result",),
            registry=registry,
        )
        self._deliveries = Gauge(
            "valerix_webhook_deliveries",
            "Deliveries that wait, and those that are dead at an endpoint that is still wanted.",
            ("state",),
            registry=registry,
        )
        self._oldest = Gauge(
            "valerix_webhook_oldest_seconds",
            "For how long the oldest delivery that waits has been tried.",
            registry=registry,
        )

    def tried(self, result: str) -> None:
        """One attempt."""
        self._attempts.labels(result).inc()

    def show(self, waiting: int, dead: int, oldest_s: float) -> None:
        """How it stands now."""
        self._deliveries.labels("waiting").set(waiting)
        self._deliveries.labels("dead").set(dead)
        self._oldest.set(oldest_s)
