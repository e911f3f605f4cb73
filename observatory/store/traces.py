"""Keeps traces in bounded memory, the remarkable ones longer, and finds them by what matters."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from observatory import limits
from observatory.limits import LossCounts
from observatory.store.index import Index, Key
from observatory.store.model import StoredSpan, unpack_span
from observatory.store.slowest import SlowestOfHours
from observatory.store.trace import (
    KEY_OVERHEAD,
    SPAN_OVERHEAD,
    KeptTrace,
    first_span_of,
    keys_of,
    outcome,
    stands_for,
)

SLA_NS = 10**9
# Bitten before failed: what was broken on purpose must not push out what broke by itself.
CLASSES = ("bitten", "failed", "slow", "ordinary")
# Where those of all classes go that must make room and are among the slowest of their hour.
_SLOWEST = "slowest"


class TraceStore:
    """All traces, in this process's memory. Not thread-safe: everything runs on the event loop."""

    def __init__(self, losses: LossCounts, *, limit: int = limits.TRACES_BYTES) -> None:
        self._losses = losses
        self._quota = limit // (len(CLASSES) + 1)
        self._traces: dict[str, KeptTrace] = {}
        self._by_class: dict[str, OrderedDict[str, KeptTrace]] = {
            name: OrderedDict() for name in (*CLASSES, _SLOWEST)
        }
        self._used = dict.fromkeys(self._by_class, 0)
        self._slowest = SlowestOfHours()
        self._index: Index[str] = Index()
        self._by_duration: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def used_bytes(self) -> int:
        """What is kept, the index included."""
        return sum(self._used.values())

    def get(self, trace_id: str) -> KeptTrace | None:
        """A trace, or None if it is not, or no longer, known."""
        return self._traces.get(trace_id)

    def worth(self, trace_id: str) -> int:
        """How long it is kept: 2, the longest, for one of the slowest of its hour; 1 for others
        that are slow, failed or bitten; 0 for the rest and what is not known."""
        trace = self._traces.get(trace_id)
        if trace is None:
            return 0
        return 2 if trace_id in self._slowest else int(trace.klass != "ordinary")

    def spans(self, trace_id: str) -> list[StoredSpan]:
        """A trace's spans in the order they arrived."""
        trace = self._traces.get(trace_id)
        return [unpack_span(packed) for packed in trace.spans.values()] if trace else []

    def add(self, span: StoredSpan, packed: bytes) -> None:
        """Keep a span; the oldest traces of the same class make room."""
        trace = self._traces.get(span.trace_id)
        if trace is None:
            trace = self._begin(span)
        elif span.span_id in trace.spans:
            # A sender that received no response sends again.
            self._losses.duplicates += 1
            return
        elif len(trace.spans) >= limits.SPANS_PER_TRACE:
            trace.left_out += 1
            self._losses.spans_over_trace += 1
            return
        before = trace.cost
        self._absorb(trace, span, packed)
        self._place(trace, before)

    def add_order(self, trace_id: str, order_id: str) -> None:
        """A line of log says which order a trace was about."""
        trace = self._traces.get(trace_id)
        if trace is not None:
            before = trace.cost
            self._tag(trace, ("order", order_id.lower()))
            self._place(trace, before)

    def newest(self, keys: tuple[Key, ...] = ()) -> Iterator[KeptTrace]:
        """Those that have all the keys, the last to arrive first."""
        if not keys:
            yield from reversed(self._traces.values())
            return
        yield from (self._traces[found] for found in self._index.newest_first(keys))

    def slowest(self) -> Iterator[KeptTrace]:
        """All of them, the slowest first."""
        yield from (self._traces[trace_id] for _, trace_id in reversed(self._by_duration))

    def related(self, trace_id: str, limit: int) -> list[KeptTrace]:
        """Traces that continue this one or that it continues, and others of the same order."""
        trace = self._traces.get(trace_id)
        orders = trace.values("order") if trace else ()
        linked = trace.values("link") if trace else ()
        found = {known: self._traces[known] for known in linked if known in self._traces}
        for key in (("link", trace_id), *(("order", order) for order in orders)):
            for known in islice(self.newest((key,)), limit + 1):
                found.setdefault(known.trace_id, known)
        found.pop(trace_id, None)
        return sorted(found.values(), key=lambda known: known.start_ns)[-limit:]

    def choices(self, kind: str, limit: int = 50) -> tuple[tuple[str, int], ...]:
        """The most frequent values of "service", "route", "outcome" or "gremlin"."""
        return self._index.values(kind, limit)

    def _begin(self, span: StoredSpan) -> KeptTrace:
        trace = KeptTrace(
            span.trace_id, first_span_of(span), span.start_ns, span.end_ns, {}, {}, set()
        )
        self._traces[trace.trace_id] = trace
        self._by_class[trace.klass][trace.trace_id] = trace
        self._tag(trace, ("outcome", outcome(trace.head.status)))
        self._used[trace.klass] += trace.cost
        return trace

    def _absorb(self, trace: KeptTrace, span: StoredSpan, packed: bytes) -> None:
        trace.spans[span.span_id] = packed
        trace.cost += SPAN_OVERHEAD + len(packed)
        trace.start_ns = min(trace.start_ns, span.start_ns)
        trace.end_ns = max(trace.end_ns, span.end_ns)
        trace.errors += span.failed
        if stands_for(span, trace.head):
            self._untag(trace, ("outcome", outcome(trace.head.status)))
            trace.head = first_span_of(span)
            self._tag(trace, ("outcome", outcome(trace.head.status)))
        if span.service in trace.services or len(trace.services) < limits.KEYS_PER_TRACE:
            trace.services[span.service] = trace.services.get(span.service, 0) + 1
        for key in keys_of(span):
            self._tag(trace, key)
        if trace.duration_ns > SLA_NS:
            self._tag(trace, ("class", "slow"))
        else:
            self._untag(trace, ("class", "slow"))

    def _tag(self, trace: KeptTrace, key: Key) -> None:
        if key in trace.keys:
            return
        if len(trace.keys) >= limits.KEYS_PER_TRACE and key[0] not in ("class", "outcome"):
            self._losses.clipped += 1
            return
        trace.keys.add(key)
        trace.cost += KEY_OVERHEAD
        self._index.add(key, trace.trace_id)

    def _untag(self, trace: KeptTrace, key: Key) -> None:
        if key in trace.keys:
            trace.keys.remove(key)
            trace.cost -= KEY_OVERHEAD
            self._index.remove(key, trace.trace_id)

    def _place(self, trace: KeptTrace, cost_before: int) -> None:
        """Put it where it belongs now, list its duration, and make room."""
        self._used[trace.klass] += trace.cost - cost_before
        displaced = self._slowest.rank(trace)
        if displaced and self._traces[displaced].klass == _SLOWEST:
            self._forget(self._traces[displaced])
        klass = next((name for name in CLASSES if ("class", name) in trace.keys), "ordinary")
        if trace.klass == _SLOWEST and trace.trace_id in self._slowest:
            klass = _SLOWEST
        if klass != trace.klass:
            self._move(trace, klass)
        if trace.duration_ns != trace.listed_ns:
            self._unlist(trace)
            trace.listed_ns = trace.duration_ns
            insort(self._by_duration, (trace.listed_ns, trace.trace_id))
        while self._used[klass] > self._quota:
            self._evict(klass)

    def _move(self, trace: KeptTrace, klass: str) -> None:
        del self._by_class[trace.klass][trace.trace_id]
        self._used[trace.klass] -= trace.cost
        trace.klass = klass
        self._by_class[klass][trace.trace_id] = trace
        self._used[klass] += trace.cost

    def _evict(self, klass: str) -> None:
        trace = next(iter(self._by_class[klass].values()))
        if klass == _SLOWEST or trace.trace_id not in self._slowest:
            self._forget(trace)
            return
        self._move(trace, _SLOWEST)
        while self._used[_SLOWEST] > self._quota:
            self._evict(_SLOWEST)

    def _forget(self, trace: KeptTrace) -> None:
        trace_id = trace.trace_id
        del self._by_class[trace.klass][trace_id]
        self._used[trace.klass] -= trace.cost
        self._slowest.drop(trace_id)
        del self._traces[trace_id]
        self._unlist(trace)
        for key in trace.keys:
            self._index.remove(key, trace_id)
        self._losses.traces_evicted += 1
        self._losses.spans_evicted += len(trace.spans)

    def _unlist(self, trace: KeptTrace) -> None:
        if trace.listed_ns >= 0:
            del self._by_duration[bisect_left(self._by_duration, (trace.listed_ns, trace.trace_id))]
