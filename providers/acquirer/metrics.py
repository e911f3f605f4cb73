"""The acquirer's own metrics: what became of charges, and of webhooks."""

from prometheus_client import CollectorRegistry, Counter


class AcquirerMetrics:
    """One process's counters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._charges = Counter(
            "valerix_acquirer_charges",
            "Charges that an account tried.",
            ("account", "outcome"),
            registry=registry,
        )
        self._webhooks = Counter(
            "valerix_acquirer_webhooks",
            "What became of deliveries of events.",
            ("result",),
            registry=registry,
        )

    def charged(self, account: str, outcome: str) -> None:
        """A charge was approved, declined, or needs the customer; committed."""
        self._charges.labels(account, outcome).inc()

    def delivered(self, result: str) -> None:
        """A delivery was accepted, refused, lost on purpose, or given up."""
        self._webhooks.labels(result).inc()
