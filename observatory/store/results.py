"""What the pages of traces and logs are given: frozen values, ready to be drawn."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain

from msgspec import Struct

from observatory.store.logs import Kept
from observatory.store.model import KINDS, Event, Pairs, unpack_pairs
from observatory.store.span_tree import PlacedSpan
from observatory.store.trace import KeptTrace, outcome


class TraceRow(Struct, frozen=True):
    """One line of a list of traces. `name`, `status` and `duration_ms` are those of its first
    request; `complete` says whether that one has arrived, `broken` whether it is in error itself
    and not only something inside it. `status` 0 is a cut connection."""

    trace_id: str
    at: datetime
    duration_ms: float
    service: str
    name: str
    route: str
    status: int | None
    outcome: str
    spans: int
    errors: int
    services: tuple[str, ...]
    failed: bool
    slow: bool
    gremlins: tuple[str, ...]
    orders: tuple[str, ...]
    complete: bool
    broken: bool


class LogRow(Struct, frozen=True):
    """One line of log."""

    sequence: int
    at: datetime
    level: str
    service: str
    message: str
    trace_id: str
    span_id: str
    attributes: Pairs


class LogPage(Struct, frozen=True):
    """Lines, oldest first. Ask again with `since=newest`; `more` means older ones fit as well."""

    rows: tuple[LogRow, ...]
    newest: int
    more: bool


class EventMark(Struct, frozen=True):
    """A moment inside a span; `offset` is its share of the trace's width."""

    name: str
    offset: float
    offset_ms: float
    attributes: Pairs


class SpanRow(Struct, frozen=True):
    """One bar of the waterfall. `offset` and `width` are shares of the trace's whole time, from 0
    to 1; `marks` say what is odd about it, in words."""

    span_id: str
    parent_id: str
    depth: int
    children: int
    service: str
    instance: str
    name: str
    kind: str
    offset: float
    width: float
    offset_ms: float
    duration_ms: float
    self_ms: float
    status: int | None
    failed: bool
    error: str
    gremlins: tuple[str, ...]
    critical: bool
    marks: tuple[str, ...]
    attributes: Pairs
    events: tuple[EventMark, ...]
    logs: tuple[LogRow, ...]


class Waterfall(Struct, frozen=True):
    """A whole trace. `logs` are its lines that belong to none of the spans; `related` are traces
    linked with it or about the same order; `left_out` spans did not fit."""

    head: TraceRow
    total_ms: float
    rows: tuple[SpanRow, ...]
    logs: tuple[LogRow, ...]
    related: tuple[TraceRow, ...]
    left_out: int


def trace_row(trace: KeptTrace) -> TraceRow:
    """A trace for a list."""
    head = trace.head
    return TraceRow(
        trace_id=trace.trace_id,
        at=moment(trace.start_ns),
        duration_ms=_ms(trace.duration_ns),
        service=head.service,
        name=head.name,
        route=head.route,
        status=head.status,
        outcome=outcome(head.status),
        spans=len(trace.spans),
        errors=trace.errors,
        services=tuple(sorted(trace.services)),
        failed=trace.errors > 0,
        slow=("class", "slow") in trace.keys,
        gremlins=trace.values("gremlin"),
        orders=trace.values("order"),
        complete=not head.parent_id,
        broken=head.failed,
    )


def log_row(kept: Kept) -> LogRow:
    """A line for a list."""
    line = kept.line
    return LogRow(
        sequence=kept.sequence,
        at=moment(line.at_ns),
        level=line.level,
        service=line.service,
        message=line.message,
        trace_id=line.trace_id,
        span_id=line.span_id,
        attributes=unpack_pairs(kept.packed),
    )


def waterfall(
    trace: KeptTrace,
    branches: Sequence[PlacedSpan],
    lines: Iterable[Kept],
    related: Iterable[KeptTrace],
) -> Waterfall:
    """A trace with its log lines in place."""
    by_span: dict[str, list[LogRow]] = {}
    for kept in sorted(lines, key=lambda kept: kept.line.at_ns):
        by_span.setdefault(kept.line.span_id, []).append(log_row(kept))
    total_ns = max(trace.end_ns - trace.start_ns, 1)
    # A span that arrived twice under one id would show its lines twice: each is handed out once.
    rows = tuple(
        _span_row(branch, trace.start_ns, total_ns, by_span.pop(branch.span.span_id, []))
        for branch in branches
    )
    return Waterfall(
        head=trace_row(trace),
        total_ms=_ms(trace.end_ns - trace.start_ns),
        rows=rows,
        logs=tuple(sorted(chain(*by_span.values()), key=lambda row: row.at)),
        related=tuple(trace_row(known) for known in related),
        left_out=trace.left_out,
    )


def _span_row(branch: PlacedSpan, begin_ns: int, total_ns: int, logs: Sequence[LogRow]) -> SpanRow:
    span = branch.span
    offset = (span.start_ns - begin_ns) / total_ns
    return SpanRow(
        span_id=span.span_id,
        parent_id=span.parent_id,
        depth=branch.depth,
        children=len(branch.children),
        service=span.service,
        instance=span.instance,
        name=span.name,
        kind=KINDS[span.kind],
        offset=offset,
        width=min((span.end_ns - span.start_ns) / total_ns, 1 - offset),
        offset_ms=_ms(span.start_ns - begin_ns),
        duration_ms=_ms(span.end_ns - span.start_ns),
        self_ms=_ms(branch.self_ns),
        status=span.status,
        failed=span.failed,
        error=span.error,
        gremlins=span.gremlins,
        critical=branch.critical,
        marks=(*((branch.mark,) if branch.mark else ()), *span.marks),
        attributes=span.attributes,
        events=tuple(_event(event, begin_ns, total_ns) for event in span.events),
        logs=tuple(logs),
    )


def _event(event: Event, begin_ns: int, total_ns: int) -> EventMark:
    after_ns = event.at_ns - begin_ns
    return EventMark(event.name, after_ns / total_ns, _ms(after_ns), event.attributes)


def moment(at_ns: int) -> datetime:
    """Nanoseconds since the epoch as a time with its zone."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC)


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)
