"""The two mandatory HTTP metrics, and how many requests are in flight or were shed."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# It adds a second series per counter, which no dashboard reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

# The buckets contain exactly the SLA (1 s) and the deadline (2 s).
BUCKETS = (.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 1.5, 2, 2.5, 5, 10)  # fmt: skip


class HttpMetrics:
    """The two mandatory metrics, with label children looked up once."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._service = service
        self._requests = Counter(
            "http_requests",
            "Requests answered.",
            ("service", "method", "path", "status_code"),
            registry=registry,
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Seconds from first byte in to last byte out.",
            ("service", "method", "path"),
            buckets=BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "http_requests_in_flight", "Requests being served.", ("service",), registry=registry
        ).labels(service)
        self.shed = Counter(
            "valerix_requests_shed",
            "Requests refused before work.",
            ("service",),
            registry=registry,
        ).labels(service)
        self._calls = Counter(
            "grpc_server_handled",
            "Calls answered over gRPC; they are among http_requests as well.",
            ("service", "grpc_method", "grpc_code"),
            registry=registry,
        )
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def count_rpc(self, method: str, code: str) -> None:
        """Count one call over gRPC, by its full name."""
        self._calls.labels(self._service, method, code).inc()

    def observe(self, method: str, path: str, status: int, seconds: float, trace_id: str) -> None:
        """Count one request; the trace id, if there is one, rides along as the exemplar."""
        counter = self._counters.get((method, path, status))
        if counter is None:
            counter = self._requests.labels(self._service, method, path, f"{status:03d}")
            self._counters[method, path, status] = counter
        histogram = self._histograms.get((method, path))
        if histogram is None:
            histogram = self._durations.labels(self._service, method, path)
            self._histograms[method, path] = histogram
        counter.inc()
        histogram.observe(seconds, {"trace_id": trace_id} if trace_id else None)
