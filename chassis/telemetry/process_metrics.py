"""Metrics of the process: memory, garbage, the event loop's lag, its pool, lost telemetry."""

import asyncio
from collections import deque

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector

from chassis.database.pool import Database
from chassis.telemetry import recording

# Ten looks a second find any block a visitor could feel; remembered for one scrape.
_LOOK_EVERY_S, _REMEMBERED = 0.1, 20


class LoopLag:
    """How late the event loop woke a sleeper: whatever blocks it delays every request."""

    def __init__(self) -> None:
        self._late: deque[float] = deque([0.0], maxlen=_REMEMBERED)

    async def run(self) -> None:
        """Look for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _LOOK_EVERY_S
            await asyncio.sleep(_LOOK_EVERY_S)
            self._late.append(max(0.0, clock() - due))

    def worst_s(self) -> float:
        """The latest it was in the last two seconds."""
        return max(self._late)


def process_metrics(name: str, database: Database | None, registry: CollectorRegistry) -> LoopLag:
    """Register them all; the caller runs what is returned."""
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    lag = LoopLag()
    Gauge(
        "valerix_event_loop_lag_seconds",
        "The latest the event loop woke a sleeper in the last two seconds.",
        ("service",),
        registry=registry,
    ).labels(name).set_function(lag.worst_s)
    Gauge(
        "valerix_telemetry_dropped",
        "Spans and log lines thrown away since the start.",
        ("service",),
        registry=registry,
    ).labels(name).set_function(recording.dropped)
    if database is not None:
        pool = Gauge(
            "valerix_pool_connections",
            "Database connections.",
            ("service", "state"),
            registry=registry,
        )
        pool.labels(name, "in_use").set_function(lambda: database.in_use)
        pool.labels(name, "idle").set_function(lambda: database.idle)
    return lag
