"""A trace as a page is given it: its spans in their places, its lines, received text as data."""

from observatory.store.span_tree import ORPHAN
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.conftest import Post
from tests.observatory.samples import (
    HOSTILE,
    MS,
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


def test_a_waterfall_begins_with_its_first_span_and_ends_with_its_last(memory: TelemetryStore):
    keep(
        memory,
        span(span_id="1" * 16, ms=(0, 100)),
        span(span_id="2" * 16, parent_id="1" * 16, ms=(25, 75)),
        span(span_id="3" * 16, parent_id="1" * 16, ms=(90, 200)),
    )
    view = memory.trace(TRACE)
    assert (view.end_ns - view.start_ns, view.head.duration_ms) == (200 * MS, 100)
    assert [placed.depth for placed in view.spans] == [0, 1, 1]
    assert [placed.self_ns for placed in view.spans] == [40 * MS, 50 * MS, 110 * MS]


def test_every_gremlin_that_bit_is_named_and_found(memory: TelemetryStore):
    keep(memory, span(attributes=(("valerix.gremlin.name", "sour,sleepy,sour"),)))
    assert memory.trace(TRACE).spans[0].span.gremlins == ("sour", "sleepy")
    for gremlin in ("sour", "sleepy"):
        assert len(memory.find(TraceQuery(gremlin=gremlin))) == 1
    crowd = ",".join(f"g{number}" for number in range(500))
    keep(memory, span(trace_id(), attributes=(("valerix.gremlin.name", crowd),)))
    assert len(memory.find(TraceQuery())[0].gremlins) == 8


def test_a_missing_parent_is_marked(memory: TelemetryStore):
    keep(memory, span(parent_id="9" * 16))
    assert memory.trace(TRACE).spans[0].mark == ORPHAN


def test_lines_are_in_the_order_of_time(memory: TelemetryStore):
    own = {"span_id": "1" * 16}
    keep(memory, span(**own), line("later", at_ns=NOW_NS + 9, **own), line("sooner", **own))
    assert [kept.message for kept in memory.trace(TRACE).lines] == ["sooner", "later"]


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
    written = {"traceId": TRACE, "spanId": "1" * 16, "body": {"stringValue": HOSTILE}}
    written["attributes"] = attributes
    assert (await post("/v1/traces", json_traces(nasty, service=HOSTILE))).content == b"{}"
    assert (await post("/v1/logs", json_logs(written, service=HOSTILE))).content == b"{}"
    clean = "<script>alert('x')</script>␛[31m␀\ufffdevil"
    view = memory.trace(TRACE)
    kept, written = view.spans[0].span, view.lines[0]
    texts = [kept.name, kept.service, kept.error, *kept.gremlins, *kept.attributes[0]]
    texts += [kept.events[0].name, *kept.events[0].attributes[0]]
    texts += [written.message, written.service, *written.attributes[0]]
    assert set(texts) == {clean}
