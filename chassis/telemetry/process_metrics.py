"""Metrics of the process: memory, garbage, the event loop's lag, its pool, lost telemetry."""

import asyncio
import time
from collections import deque

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector

from chassis.database.pool import Database
from chassis.telemetry import recording

# Ten looks a second find any block a visitor could feel. Each takes a tenth of a millisecond of the
# processor, in all processes a fifth of what a shop at rest took: a process that has used less than
# a fiftieth of its last second looks once in the next.
_LOOK_EVERY_S, _AT_REST_S, _LITTLE = 0.1, 1.0, 0.02
_REMEMBERED_S = 2.0


class LoopLag:
    """How late the event loop woke a sleeper: whatever blocks it delays every request."""

    def __init__(self) -> None:
        # When, and how late.
        self._looks: deque[tuple[float, float]] = deque(maxlen=int(_REMEMBERED_S / _LOOK_EVERY_S))

    async def run(self) -> None:
        """Look for ever."""
        next_s, began, used_s = _LOOK_EVERY_S, time.monotonic(), time.process_time()
        while True:
            due = time.monotonic() + next_s
            await asyncio.sleep(next_s)
            now = time.monotonic()
            self._looks.append((now, max(0.0, now - due)))
            if now - began >= _AT_REST_S:
                used_before, used_s = used_s, time.process_time()
                is_at_rest = used_s - used_before < _LITTLE * (now - began)
                next_s, began = _AT_REST_S if is_at_rest else _LOOK_EVERY_S, now

    def worst_s(self) -> float:
        """The latest it was in the last two seconds."""
        since = time.monotonic() - _REMEMBERED_S
        return max((late for at, late in self._looks if at >= since), default=0.0)


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
