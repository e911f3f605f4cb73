"""The dashboard's own telemetry: what the services sent, and the queries a page may make."""

from collections.abc import Callable
from functools import partial
from itertools import islice

from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge

from observatory import limits
from observatory.limits import LossCounts
from observatory.metrics.received import ReceivedMetrics
from observatory.otlp.request import Batch
from observatory.store.index import Key
from observatory.store.logs import LogQuery, LogStore
from observatory.store.model import StoredLine, StoredSpan
from observatory.store.results import LogTail, TraceRow, Waterfall, trace_row, waterfall_of
from observatory.store.span_tree import arrange
from observatory.store.trace_search import TraceQuery, fitting
from observatory.store.traces import TraceStore

_RELATED = 20
# A trace's lines are read whole for its waterfall; more than this nobody reads in place.
_LINES_OF_A_TRACE = 500


class FilterChoices(Struct, frozen=True):
    """What there is to filter by, the most frequent first, each with how often it occurs."""

    services: tuple[tuple[str, int], ...]
    routes: tuple[tuple[str, int], ...]
    outcomes: tuple[tuple[str, int], ...]
    gremlins: tuple[tuple[str, int], ...]


class TelemetryStore:
    """Traces and logs in bounded memory. Reading never waits; everything runs on the event loop.

    `changed` is called with "traces" or "logs" after each batch."""

    def __init__(
        self,
        changed: Callable[[str], None] = lambda _: None,
        *,
        traces_limit: int = limits.TRACES_BYTES,
        logs_limit: int = limits.LOGS_BYTES,
    ) -> None:
        self.losses = LossCounts()
        self.changed = changed
        # Is given each span that is sent here, to count it.
        self.seen: Callable[[StoredSpan], None] = lambda _: None
        # Is given whatever is kept, so that it can be kept elsewhere too.
        self.keep: Callable[[StoredSpan | StoredLine], None] = lambda _: None
        self.traces = TraceStore(self.losses, limit=traces_limit)
        self.metrics = ReceivedMetrics()
        self.logs = LogStore(self.losses, self.traces.worth, limit=logs_limit)

    def keep_span(self, span: StoredSpan, packed: bytes) -> None:
        """A span has arrived."""
        self.traces.add(span, packed)
        self.keep(span)

    def keep_line(self, line: StoredLine, packed: bytes, *, at_least: int = 0) -> None:
        """A line has arrived; for `at_least` see `LogStore.add`."""
        self.logs.add(line, packed, at_least=at_least)
        self.keep(line)
        if line.trace_id and (order := line.attribute("valerix.order.id", "order_id")):
            self.traces.add_order(line.trace_id, order)

    def count(self, batch: Batch) -> None:
        """Add up what was rejected, clipped or adjusted in a batch."""
        self.losses.malformed += batch.rejected
        self.losses.clipped += batch.clipped
        self.losses.adjusted += batch.adjusted

    def find(self, query: TraceQuery) -> tuple[TraceRow, ...]:
        """Traces for a list: the slowest first, otherwise the latest first."""
        keys, slowest = _keys(query), query.kind == "slowest"
        each = self.traces.newest(keys) if keys or not slowest else self.traces.slowest()
        if keys and slowest:
            each = iter(sorted(each, key=lambda trace: trace.duration_ns, reverse=True))
        found = list(islice(fitting(each, query), query.limit))
        if not slowest:
            found.sort(key=lambda trace: trace.start_ns, reverse=True)
        return tuple(trace_row(trace) for trace in found)

    def trace(self, trace_id: str) -> Waterfall | None:
        """One trace as a waterfall; None if it is not, or no longer, known."""
        trace = self.traces.get(trace_id)
        if trace is None:
            return None
        lines = self.logs.find(LogQuery(trace_id=trace_id, limit=_LINES_OF_A_TRACE))
        spans = arrange(self.traces.spans(trace_id))
        return waterfall_of(trace, spans, lines, self.traces.related(trace_id, _RELATED))

    def tail(self, query: LogQuery) -> LogTail:
        """The newest lines that fit."""
        lines = tuple(self.logs.find(query))
        more = len(lines) >= query.limit > 0
        return LogTail(lines, more, kept=len(self.logs), losses=self.losses)

    def choices(self) -> FilterChoices:
        """What a page of traces can offer as filters."""
        return FilterChoices(
            services=self.traces.choices("service"),
            routes=self.traces.choices("route"),
            outcomes=self.traces.choices("outcome"),
            gremlins=self.traces.choices("gremlin"),
        )

    def export(self, registry: CollectorRegistry) -> None:
        """Show how full the memory is, and what was lost, on /metrics."""
        used = Gauge(
            "valerix_observatory_bytes",
            "Memory that kept traces and logs take, bookkeeping included.",
            ("signal",),
            registry=registry,
        )
        used.labels("traces").set_function(lambda: self.traces.used_bytes)
        used.labels("logs").set_function(lambda: self.logs.used_bytes)
        lost = Gauge(
            "valerix_observatory_lost",
            "Telemetry cut, refused or thrown away since the start, by reason.",
            ("reason",),
            registry=registry,
        )
        for reason in LossCounts.__struct_fields__:
            lost.labels(reason).set_function(partial(getattr, self.losses, reason))


def _keys(query: TraceQuery) -> tuple[Key, ...]:
    wanted = [
        ("service", query.service),
        ("route", query.route),
        ("outcome", query.outcome),
        ("order", query.order_id.lower()),
        ("gremlin", query.gremlin),
    ]
    if query.kind in ("failed", "bitten"):
        wanted.append(("class", query.kind))
    return tuple(key for key in wanted if key[1])
