"""Finds traces by what their spans hold, by reading them: no index, so a span costs nothing more.

What is kept is bounded, and a search through all of it takes some hundredths of a second; an index
of every attribute would cost more memory than the spans, and be written for each of them."""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct, msgpack

from observatory.store.model import Pairs, pack
from observatory.store.trace import KeptTrace


class TraceQuery(Struct, frozen=True):
    """Which traces. Empty fields do not filter; `outcome` is "2xx", "4xx", "5xx", "cut" (no answer
    reached the caller) or "none" (not HTTP). Those that ended before `since_ns`, began after
    `until_ns` or took less than `least_ns` are left out. `trace_id` is the beginning of one,
    `span_name` a part of any span's name, whatever the case; each of `attributes` is one of some
    span, of an event of it or of its sender. `trace_ids` are some that are known to fit, for a
    backend that cannot search by everything."""

    kind: Literal["recent", "slowest", "failed", "bitten"] = "recent"
    service: str = ""
    route: str = ""
    outcome: str = ""
    order_id: str = ""
    gremlin: str = ""
    limit: int = 50
    since_ns: int = 0
    trace_ids: tuple[str, ...] = ()
    until_ns: int = 0
    least_ns: int = 0
    trace_id: str = ""
    span_name: str = ""
    attributes: Pairs = ()


class _Named(Struct, array_like=True, gc=False):
    """As much of a packed `StoredSpan` as its name needs; the rest is skipped."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    instance: str
    name: str


_unpack_name = msgpack.Decoder(_Named).decode


def fitting(traces: Iterable[KeptTrace], query: TraceQuery) -> Iterator[KeptTrace]:
    """Those of `traces` that fit the query beside what the index knows, in their order; each is
    read only when it is asked for."""
    # A key and its value are packed one after the other, each behind its length, as no text has it.
    wanted = [pack(pair) for pair in query.attributes]
    name = query.span_name.casefold()
    for trace in traces:
        if trace.end_ns < query.since_ns or (query.until_ns and trace.start_ns > query.until_ns):
            continue
        if trace.duration_ns < query.least_ns or not trace.trace_id.startswith(query.trace_id):
            continue
        spans = trace.spans.values()
        if not all(any(pair in packed for packed in spans) for pair in wanted):
            continue
        if not name or any(name in _unpack_name(packed).name.casefold() for packed in spans):
            yield trace
