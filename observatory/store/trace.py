"""One trace as it is kept: its packed spans, and what its lists and filters need of them."""

from collections.abc import Iterator

from msgspec import Struct

from observatory.store.index import Key
from observatory.store.model import SERVER, StoredSpan

# What an entry costs beside its packed spans, as measured by tests/telemetry.
TRACE_OVERHEAD = 1_600
SPAN_OVERHEAD = 220
KEY_OVERHEAD = 160


class FirstSpan(Struct, frozen=True, gc=False):
    """A span without its details: enough to stand for its trace in a list."""

    span_id: str
    parent_id: str
    service: str
    name: str
    route: str
    status: int | None
    failed: bool
    start_ns: int
    end_ns: int


class KeptTrace(Struct):
    """What is known of one trace; grows with every span that arrives."""

    trace_id: str
    head: FirstSpan
    start_ns: int
    end_ns: int
    spans: dict[str, bytes]
    services: dict[str, int]
    keys: set[Key]
    klass: str = "ordinary"
    cost: int = TRACE_OVERHEAD
    errors: int = 0
    left_out: int = 0
    listed_ns: int = -1

    @property
    def duration_ns(self) -> int:
        """How long the first request took to answer, whoever asked; all of it where no request
        stands for the trace: its first span was not sent to us."""
        if self.head.parent_id and self.head.status is None:
            return self.end_ns - self.start_ns
        return self.head.end_ns - self.head.start_ns

    def values(self, kind: str) -> tuple[str, ...]:
        """What it can be found by: its gremlins, its orders."""
        return tuple(sorted(value for known, value in self.keys if known == kind))


def outcome(status: int | None) -> str:
    """The class of an HTTP status: "2xx"; "cut" if no answer reached the caller, who left (499) or
    was cut off; "none" if it was not HTTP."""
    if status is None:
        return "none"
    return f"{status // 100}xx" if status >= 100 and status != 499 else "cut"


def keys_of(span: StoredSpan) -> Iterator[Key]:
    """What a trace can be found by, as far as this span knows."""
    yield "service", span.service
    if span.kind == SERVER and (route := span.attribute("http.route")):
        yield "route", route
    if order := span.attribute("valerix.order.id"):
        yield "order", order.lower()
    for gremlin in span.gremlins:
        yield "gremlin", gremlin
        yield "class", "bitten"
    if span.failed:
        yield "class", "failed"
    for link in span.links:
        yield "link", link.trace_id


def first_span_of(span: StoredSpan) -> FirstSpan:
    """The span without its details."""
    return FirstSpan(
        span_id=span.span_id,
        parent_id=span.parent_id,
        service=span.service,
        name=span.name,
        route=span.attribute("http.route"),
        status=span.status,
        failed=span.failed,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
    )


def stands_for(span: StoredSpan, head: FirstSpan) -> bool:
    """Whether `span` is nearer to the trace's beginning: no parent, or the head's own parent."""
    if bool(span.parent_id) != bool(head.parent_id):
        return not span.parent_id
    if span.span_id == head.parent_id:
        return True
    # Among those whose parents we do not know: the earliest, unless it is the head's own child.
    return span.parent_id != head.span_id and span.start_ns < head.start_ns
