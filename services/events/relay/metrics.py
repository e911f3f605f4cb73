"""What the relay did and what is left to do, in numbers."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.events.relay.store import OutboxRow


class RelayMetrics:
    """Labels are processes, types of events and consumers: closed lists, all of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leads = Gauge(
            "valerix_relay_leads", "1 in the process that publishes.", registry=registry
        )
        self.unpublished = Gauge(
            "valerix_outbox_unpublished",
            "Events committed and not confirmed by the transport.",
            registry=registry,
        )
        self.oldest = Gauge(
            "valerix_outbox_oldest_seconds",
            "Age of the oldest of them; 0 where there is none.",
            registry=registry,
        )
        self._published = Counter(
            "valerix_events_published",
            "Events that the transport confirmed.",
            ("type",),
            registry=registry,
        )
        self.refused = Counter(
            "valerix_events_refused",
            "Events that the transport did not confirm; they are published again.",
            registry=registry,
        )
        self.redelivered = Counter(
            "valerix_events_redelivered",
            "Events that were confirmed, then lost by the transport, and published again.",
            registry=registry,
        )
        self.lag = Gauge(
            "valerix_consumer_lag",
            "Events confirmed that have not taken effect in this consumer.",
            ("consumer",),
            registry=registry,
        )
        self.lag_s = Gauge(
            "valerix_consumer_lag_seconds",
            "Age of the oldest of them; 0 where there is none.",
            ("consumer",),
            registry=registry,
        )

    def count(self, rows: Sequence[OutboxRow]) -> None:
        """These were confirmed."""
        for row in rows:
            self._published.labels(row.type).inc()
