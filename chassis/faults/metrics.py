"""What gremlins do, in numbers: which are loose, and how often each has bitten."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.faults.contract import GremlinView

# Twice as many as can be loose at once, so that those that ended lately still show their end.
_MOST_NAMES = 100


class GremlinMetrics:
    """One series for each gremlin seen lately; the longest ended make room for others."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._service = service
        labels = ("service", "gremlin", "kind")
        self._bitten = Counter(
            "valerix_gremlin_bites", "Requests bitten.", labels, registry=registry
        )
        self._loose = Gauge(
            "valerix_gremlin_active", "1 while a gremlin is loose.", labels, registry=registry
        )
        self._bites: dict[str, int] = {}
        # By name and kind, the one that was loose last at the end.
        self._seen: dict[tuple[str, str], None] = {}

    def show(self, before: Collection[GremlinView], now: Collection[GremlinView]) -> None:
        """Those of `before` that are not in `now` have ended."""
        for view in before:
            self._loose.labels(self._service, view.name, view.kind).set(0)
        for view in now:
            self._seen.pop((view.name, view.kind), None)
            self._seen[view.name, view.kind] = None
            self._loose.labels(self._service, view.name, view.kind).set(1)
        for name, kind in list(self._seen)[: max(0, len(self._seen) - _MOST_NAMES)]:
            del self._seen[name, kind]
            self._loose.remove(self._service, name, kind)
            self._bitten.remove(self._service, name, kind)
            self._bites.pop(name, None)

    def count_bite(self, view: GremlinView) -> None:
        """The gremlin has bitten once more."""
        self._bites[view.name] = self._bites.get(view.name, 0) + 1
        self._bitten.labels(self._service, view.name, view.kind).inc()

    def bites_of(self, name: str) -> int:
        """How often it has bitten in this process."""
        return self._bites.get(name, 0)
