"""What the pages of traces and logs are given: frozen values."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct, field

from observatory.limits import LossCounts
from observatory.store.model import StoredLine, moment
from observatory.store.span_tree import PlacedSpan
from observatory.store.trace import KeptTrace, outcome


class TraceRow(Struct, frozen=True):
    """One row of a list of traces. `name`, `status` and `duration_ms` are those of its first
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


class LogTail(Struct, frozen=True):
    """Lines, oldest first; `more` means that older ones fit as well. `kept` is how many there are
    in all, where that is known."""

    lines: tuple[StoredLine, ...]
    more: bool
    kept: int | None = None
    losses: LossCounts = field(default_factory=LossCounts)


class Waterfall(Struct, frozen=True):
    """A whole trace: its spans, parents before children, and its lines of log in the order of time.
    `related` are traces linked with it or about the same order; `left_out` spans did not fit."""

    head: TraceRow
    start_ns: int
    end_ns: int
    spans: tuple[PlacedSpan, ...]
    lines: tuple[StoredLine, ...]
    related: tuple[TraceRow, ...]
    left_out: int


def trace_row(trace: KeptTrace) -> TraceRow:
    """A trace for a list."""
    head = trace.head
    return TraceRow(
        trace_id=trace.trace_id,
        at=moment(trace.start_ns),
        duration_ms=milliseconds(trace.duration_ns),
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


def waterfall_of(
    trace: KeptTrace,
    spans: Iterable[PlacedSpan],
    lines: Sequence[StoredLine],
    related: Iterable[KeptTrace],
) -> Waterfall:
    """A trace with its log lines."""
    return Waterfall(
        head=trace_row(trace),
        start_ns=trace.start_ns,
        end_ns=trace.end_ns,
        spans=tuple(spans),
        lines=tuple(sorted(lines, key=lambda line: line.at_ns)),
        related=tuple(trace_row(known) for known in related),
        left_out=trace.left_out,
    )


def milliseconds(ns: int) -> float:
    """Nanoseconds as milliseconds, to the microsecond."""
    return round(ns / 1e6, 3)
