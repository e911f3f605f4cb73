"""Whatever is sent, memory stays within its bound, and what was cut or lost is counted."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from observatory import limits
from observatory.limits import MIB, Clipper
from observatory.otlp.normalize import Normalizer, Resource
from observatory.store.logs import LogQuery
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.samples import HOSTILE, NOW_NS, TRACE, keep, line, span, trace_id

TRACES, LOGS = 5 * MIB, 2 * MIB
ME = Resource("order-service", "1")


class Allocated:
    """How many bytes Python has allocated, and not given back, since the counting began."""

    def begin(self) -> None:
        gc.collect()
        tracemalloc.start()

    def flood(self, numbers: int) -> Iterator[int]:
        """0 to `numbers`, counting from the middle on, since counting is three times the work: by
        then every bound is reached, and what comes later replaces all that was there."""
        for number in range(numbers):
            if number == numbers // 2:
                self.begin()
            yield number

    def __call__(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def allocated() -> Iterator[Allocated]:
    yield Allocated()
    tracemalloc.stop()


def small() -> TelemetryStore:
    return TelemetryStore(traces_limit=TRACES, logs_limit=LOGS)


@pytest.mark.long
@pytest.mark.parametrize(("spans", "spans_of_a_trace"), [(25_000, 50), (16_000, 1)])
def test_a_flood_of_spans(allocated: Allocated, spans: int, spans_of_a_trace: int):
    memory = small()
    for number in allocated.flood(spans // spans_of_a_trace):
        trace = trace_id()
        # All four classes, or one of them alone would fill only its own part.
        fields = [{}, {"failed": True}, {"ms": (0, 1_500)}, {"attributes": GREMLIN}][number % 4]
        for _ in range(spans_of_a_trace):
            keep(memory, span(trace, **fields))
    assert allocated() <= 1.1 * TRACES
    # The bound is no excuse to keep nothing: the newest of each class are there. The room for the
    # slowest of each hour fills in a day.
    assert memory.traces.used_bytes > 0.75 * TRACES
    assert len(memory.find(TraceQuery(kind="bitten"))) == 50
    assert memory.losses.spans_evicted > 10_000


GREMLIN = (("valerix.gremlin.name", "sleepy"),)
# Twenty names each. The store is full after 345: of the rest each takes another's place.
NAMED = 15_000


@pytest.mark.long
def test_hundreds_of_thousands_of_distinct_names(allocated: Allocated):
    memory = small()
    for number in allocated.flood(NAMED):
        names = [f"{kind}-{number}" for kind in "abcdefghijklmnopqrst"]
        attributes = (
            ("http.route", names[0]),
            ("valerix.order.id", names[1]),
            ("valerix.gremlin.name", names[2]),
            *zip(names[3:10], names[10:17], strict=True),
        )
        keep(memory, span(trace_id(), service=names[17], name=names[18], attributes=attributes))
    assert allocated() <= 1.1 * TRACES
    assert len(memory.choices().services) == 50
    assert memory.find(TraceQuery(service="r-0")) == ()
    assert len(memory.find(TraceQuery(service=f"r-{NAMED - 1}", order_id=f"b-{NAMED - 1}"))) == 1


# The store is full after 1 277: of the rest each takes the place of another.
LINES = 12_000


def test_a_flood_of_lines(allocated: Allocated):
    memory = small()
    for number in allocated.flood(LINES):
        made = line(
            f"line {number} " * 5,
            service=f"service-{number}",
            trace_id=trace_id(),
            span_id=f"{number + 1:016x}",
            severity=9 + number % 2 * 8,
            level=("INFO", "ERROR")[number % 2],
            attributes=(("order_id", f"order-{number}"), ("route", "/orders")),
        )
        keep(memory, made)
    assert allocated() <= 1.1 * LOGS
    assert memory.logs.used_bytes > 0.85 * LOGS
    assert memory.losses.lines_evicted == LINES - len(memory.logs)


def test_ten_megabytes_in_each_text_are_clipped_and_counted(allocated: Allocated):
    allocated.begin()
    huge = "x" * (10 * MIB)
    normalizer = Normalizer(NOW_NS)
    sender = normalizer.resource([("service.name", huge), ("service.instance.id", huge)])
    pairs = normalizer.pairs([(huge, huge)], 1)
    made = normalizer.span(
        sender,
        ids=(TRACE, "1" * 16, ""),
        name=huge,
        kind=2,
        times=(NOW_NS, NOW_NS),
        status=(2, huge),
        attributes=pairs,
        events=[(NOW_NS, huge, pairs)],
    )
    written = normalizer.line(
        sender, ids=(TRACE, ""), at_ns=NOW_NS, severity=(9, ""), message=huge, attributes=pairs
    )
    del huge
    assert allocated() < 100_000
    assert normalizer.clipper.clipped == 8
    assert made.attributes == pairs
    assert (len(pairs[0][0]), len(pairs[0][1])) == (limits.KEY_CHARS, limits.VALUE_CHARS)
    assert (len(made.name), len(written.message)) == (limits.NAME_CHARS, limits.MESSAGE_CHARS)


def test_too_many_attributes_are_left_out_and_counted():
    normalizer = Normalizer(NOW_NS)
    many = [(f"key {number}", number) for number in range(limits.ATTRIBUTES + 9)]
    assert len(normalizer.pairs(iter(many), len(many))) == limits.ATTRIBUTES
    assert normalizer.clipper.clipped == 9


def test_markup_is_kept_as_it_is_and_control_characters_become_visible():
    cut = Clipper()
    assert cut.line(HOSTILE) == "<script>alert('x')</script>␛[31m␀\ufffdevil"
    assert cut.line("one\nforged\ttwo\r\x85\x9b\u2028\x7f") == "one␊forged␉two␍\ufffd\ufffd\ufffd␡"
    assert cut.lines("Traceback:\n\tat x\r\n") == "Traceback:\n\tat x␍\n"
    assert cut.lines("Ünïcode 🛒 ok") == "Ünïcode 🛒 ok"
    assert cut.clipped == 0


SECOND = 10**9
YEAR = 365 * 86_400 * SECOND


@pytest.mark.parametrize(
    ("start", "end", "kept", "marks"),
    [
        (NOW_NS - SECOND, NOW_NS, (NOW_NS - SECOND, NOW_NS), 0),
        (NOW_NS, NOW_NS - SECOND, (NOW_NS, NOW_NS), 1),
        (NOW_NS + YEAR, NOW_NS + YEAR + SECOND, (NOW_NS - SECOND, NOW_NS), 1),
        (NOW_NS - SECOND, NOW_NS + YEAR, (NOW_NS - SECOND, NOW_NS), 1),
        (0, 0, (NOW_NS, NOW_NS), 1),
        (-5, NOW_NS, (NOW_NS - 60 * SECOND, NOW_NS), 1),
        (2**64 - 1, 0, (NOW_NS, NOW_NS), 1),
        (-(2**64), 2**64, (NOW_NS - 60 * SECOND, NOW_NS), 1),
    ],
    ids=["fine", "backwards", "future", "future end", "none", "negative", "largest", "widest"],
)
def test_impossible_times_are_corrected_and_marked(start, end, kept, marks):
    normalizer = Normalizer(NOW_NS)
    made = normalizer.span(
        ME,
        ids=(TRACE, "1" * 16, ""),
        name="x",
        kind=99,
        times=(start, end),
        status=(0, "ignored"),
        attributes=(),
        events=[(0, "before", ()), (2**64, "after", ())],
        links=[("nonsense", "")],
    )
    assert (made.start_ns, made.end_ns) == kept
    assert (len(made.marks), normalizer.adjusted) == (marks, marks)
    assert [event.at_ns for event in made.events] == list(kept)
    assert (made.kind, made.error, made.links) == (1, "", ())


def test_a_line_from_the_future_stands_where_it_arrived():
    normalizer = Normalizer(NOW_NS)
    for at_ns in (NOW_NS + YEAR, -1, 0):
        made = normalizer.line(
            ME, ids=("", ""), at_ns=at_ns, severity=(0, ""), message="x", attributes=()
        )
        assert made.at_ns == NOW_NS


def test_what_was_lost_is_shown_on_the_metrics_page():
    memory, registry = small(), CollectorRegistry()
    memory.export(registry)
    keep(memory, span(span_id="1" * 16), span(span_id="1" * 16), line())
    value = registry.get_sample_value
    assert value("valerix_observatory_lost", {"reason": "duplicates"}) == 1
    assert value("valerix_observatory_lost", {"reason": "malformed"}) == 0
    assert value("valerix_observatory_bytes", {"signal": "traces"}) > 1_000
    assert value("valerix_observatory_bytes", {"signal": "logs"}) == memory.logs.used_bytes
    assert memory.tail(LogQuery()).lines
