"""Metrics of the process: memory, garbage, the event loop's lag, its pool, lost telemetry."""

import asyncio
import time
from collections import deque

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector

from chassis.database.pool import Database
from chassis.telemetry import recording

# Ten looks a second find any block a visitor could feel. A process that does nothing is looked at
# twice a second: a look costs it as much as anything else that it does then.
_LOOK_EVERY_S, _REST_EVERY_S = 0.1, 0.5
# One scrape.
_REMEMBERED_S = 2.0
# Of the time since the last look: above it, the process is at work.
_WORKING_SHARE = 0.03


class LoopLag:
    """How late the event loop woke a sleeper: whatever blocks it delays every request."""

    def __init__(self) -> None:
        # When it was looked, and how late.
        self._late: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        """Look for ever."""
        every_s, used_s = _LOOK_EVERY_S, time.process_time()
        while True:
            due = time.monotonic() + every_s
            await asyncio.sleep(every_s)
            now, used_before_s, used_s = time.monotonic(), used_s, time.process_time()
            self._late.append((now, max(0.0, now - due)))
            while self._late[0][0] < now - _REMEMBERED_S:
                self._late.popleft()
            is_working = used_s - used_before_s > _WORKING_SHARE * every_s
            every_s = _LOOK_EVERY_S if is_working else _REST_EVERY_S

    def worst_s(self) -> float:
        """The latest it was in the last two seconds."""
        return max((late for _, late in self._late), default=0.0)


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
