"""What a consumer did, in numbers."""

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.messaging.envelope import CloudEvent

# From commit to effect: the bar is 250 ms, a lost ring costs seconds, a fault minutes.
_BUCKETS = (.01, .025, .05, .1, .25, .5, 1, 2, 5, 15, 60, 300)  # fmt: skip


class ConsumerMetrics:
    """Labels are the consumer and the types there are: both closed lists."""

    def __init__(self, consumer: str, registry: CollectorRegistry) -> None:
        self._consumer = consumer
        self._taken = Counter(
            "valerix_events_consumed",
            "Events that took effect.",
            ("consumer", "type"),
            registry=registry,
        )
        self._duplicates = Counter(
            "valerix_events_duplicate",
            "Deliveries of events that had taken effect before.",
            ("consumer",),
            registry=registry,
        ).labels(consumer)
        self._delay = Histogram(
            "valerix_event_delay_seconds",
            "Seconds from when an event happened to its effect.",
            ("consumer",),
            buckets=_BUCKETS,
            registry=registry,
        ).labels(consumer)
        self.parked = Gauge(
            "valerix_events_parked",
            "Events put aside: failed, or waiting for an earlier one.",
            ("consumer", "kind"),
            registry=registry,
        )

    def count(self, *, taken: Sequence[CloudEvent], duplicates: int) -> None:
        """One transaction."""
        now = time.time()
        for event in taken:
            self._taken.labels(self._consumer, event.type).inc()
            self._delay.observe(max(0.0, now - event.time.timestamp()))
        if duplicates > 0:
            self._duplicates.inc(duplicates)

    def show_parked(self, failed: int, waiting: int) -> None:
        """What is put aside now."""
        self.parked.labels(self._consumer, "failed").set(failed)
        self.parked.labels(self._consumer, "waiting").set(waiting)
