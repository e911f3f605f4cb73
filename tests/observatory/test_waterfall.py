"""A trace as it is drawn: shares of its time, what is odd in words, strangers' text as data."""

from observatory.store.model import Event
from observatory.store.store import TelemetryStore, TraceQuery
from tests.observatory.conftest import Post
from tests.observatory.samples import (
    HOSTILE,
    NOW_NS,
    TRACE,
    json_attributes,
    json_logs,
    json_span,
    json_traces,
    keep,
    line,
    span,
    trace_id,
)


def test_bars_are_shares_of_the_whole_and_never_leave_it(memory: TelemetryStore):
    keep(
        memory,
        span(span_id="1" * 16, ms=(0, 100)),
        span(span_id="2" * 16, parent_id="1" * 16, ms=(25, 75)),
        span(span_id="3" * 16, parent_id="1" * 16, ms=(90, 200)),
    )
    view = memory.trace(TRACE)
    assert [(row.offset, row.width, row.depth) for row in view.rows] == [
        (0, 0.5, 0),
        (0.125, 0.25, 1),
        (0.45, 0.55, 1),
    ]
    assert (view.total_ms, view.head.duration_ms) == (200, 100)
    assert [row.self_ms for row in view.rows] == [40, 50, 110]
    assert all(0 <= row.offset <= row.offset + row.width <= 1 for row in view.rows)


def test_a_trace_that_took_no_time_can_be_drawn(memory: TelemetryStore):
    keep(memory, span(ms=(0, 0)))
    row = memory.trace(TRACE).rows[0]
    assert (row.offset, row.width, row.critical) == (0, 0, True)


def test_a_bite_is_on_its_bar_with_its_moment(memory: TelemetryStore):
    bite = (("valerix.gremlin.name", "sleepy"), ("valerix.gremlin.kind", "latency"))
    moment = Event(NOW_NS + 5 * 10**6, "gremlin bite", (("name", "sleepy"),))
    keep(memory, span(attributes=bite, events=(moment,), failed=True, error="http 503"))
    row = memory.trace(TRACE).rows[0]
    assert (row.gremlins, row.failed, row.error) == (("sleepy",), True, "http 503")
    assert [(e.name, e.offset, e.offset_ms) for e in row.events] == [("gremlin bite", 0.5, 5)]


def test_all_who_bit_are_named_and_found(memory: TelemetryStore):
    keep(memory, span(attributes=(("valerix.gremlin.name", "sour,sleepy,sour"),)))
    assert memory.trace(TRACE).rows[0].gremlins == ("sour", "sleepy")
    for gremlin in ("sour", "sleepy"):
        assert len(memory.find(TraceQuery(gremlin=gremlin))) == 1
    crowd = ",".join(f"g{number}" for number in range(500))
    keep(memory, span(trace_id(), attributes=(("valerix.gremlin.name", crowd),)))
    assert len(memory.find(TraceQuery())[0].gremlins) == 8


def test_a_missing_parent_is_said_in_words(memory: TelemetryStore):
    keep(memory, span(parent_id="9" * 16))
    assert memory.trace(TRACE).rows[0].marks == ("its parent was not received",)


def test_lines_under_a_span_are_in_the_order_of_time(memory: TelemetryStore):
    own = {"span_id": "1" * 16}
    keep(memory, span(**own), line("later", at_ns=NOW_NS + 9, **own), line("sooner", **own))
    assert [row.message for row in memory.trace(TRACE).rows[0].logs] == ["sooner", "later"]


async def test_markup_and_control_characters_everywhere_arrive_as_data(
    post: Post, memory: TelemetryStore
):
    attributes = json_attributes({HOSTILE: HOSTILE, "valerix.gremlin.name": HOSTILE})
    nasty = json_span(
        name=HOSTILE,
        spanId="1" * 16,
        attributes=attributes,
        events=[{"name": HOSTILE, "attributes": attributes}],
        status={"code": 2, "message": HOSTILE},
    )
    said = {"traceId": TRACE, "spanId": "1" * 16, "body": {"stringValue": HOSTILE}}
    said["attributes"] = attributes
    assert (await post("/v1/traces", json_traces(nasty, service=HOSTILE))).content == b"{}"
    assert (await post("/v1/logs", json_logs(said, service=HOSTILE))).content == b"{}"
    clean = "<script>alert('x')</script>␛[31m␀\ufffdevil"
    row = memory.trace(TRACE).rows[0]
    texts = [row.name, row.service, row.error, *row.gremlins, *row.attributes[0]]
    texts += [row.events[0].name, *row.events[0].attributes[0]]
    texts += [row.logs[0].message, row.logs[0].service, *row.logs[0].attributes[0]]
    assert set(texts) == {clean}
