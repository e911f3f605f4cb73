"""Telemetry of senders that are not ours: other SDKs' shapes, and more than anybody should send."""

import gzip

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observatory import limits
from observatory.limits import MIB
from observatory.store.model import KINDS
from observatory.store.span_tree import CYCLE, ORPHAN
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.conftest import Post
from tests.observatory.samples import (
    MS,
    NOW_NS,
    TRACE,
    json_attributes,
    json_span,
    json_traces,
    proto_traces,
)

ROOT, CALL = "00f067aa0ba902b7", "53995c3f42cd8ad8"

# As OpenTelemetry's JavaScript SDK writes it: numbers where ours writes text, nothing left out.
BROWSER = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [
                    {"key": "service.name", "value": {"stringValue": "web-shop"}},
                    {"key": "process.pid", "value": {"intValue": 17}},
                    {"key": "telemetry.sdk.language", "value": {"stringValue": "webjs"}},
                ],
                "droppedAttributesCount": 0,
                "entityRefs": [{"type": "service", "idKeys": ["service.name"]}],
            },
            "scopeSpans": [
                {
                    "scope": {"name": "@opentelemetry/instrumentation-fetch", "version": "0.203.0"},
                    "spans": [
                        {
                            "traceId": TRACE,
                            "spanId": CALL,
                            "parentSpanId": ROOT,
                            "traceState": "vendor=1",
                            "name": "HTTP POST",
                            "kind": 3,
                            "startTimeUnixNano": str(NOW_NS),
                            "endTimeUnixNano": str(NOW_NS + 9_000_000),
                            "attributes": [
                                {"key": "http.status_code", "value": {"intValue": 201}},
                                {"key": "tags", "value": {"arrayValue": {"values": []}}},
                            ],
                            "droppedAttributesCount": 0,
                            "events": [
                                {
                                    "name": "fetchStart",
                                    "timeUnixNano": str(NOW_NS + 1),
                                    "attributes": [],
                                    "droppedAttributesCount": 0,
                                }
                            ],
                            "droppedEventsCount": 0,
                            "status": {"code": 0},
                            "links": [],
                            "droppedLinksCount": 0,
                            "flags": 769,
                        }
                    ],
                    "schemaUrl": "https://opentelemetry.io/schemas/1.30.0",
                }
            ],
            "schemaUrl": "",
        }
    ]
}


async def test_a_browser_s_span_stands_in_the_trace_of_ours(post: Post, memory: TelemetryStore):
    assert (await post("/v1/traces", json_traces(json_span(spanId=ROOT)))).content == b"{}"
    assert (await post("/v1/traces", BROWSER)).content == b"{}"
    placed = memory.trace(TRACE).spans
    assert [(p.span.service, p.span.name, KINDS[p.span.kind], p.depth) for p in placed] == [
        ("foreign-service", "GET /products", "server", 0),
        ("web-shop", "HTTP POST", "client", 1),
    ]
    fetch = placed[1].span
    assert (fetch.status, fetch.end_ns - fetch.start_ns) == (201, 9 * MS)
    assert [event.name for event in fetch.events] == ["fetchStart"]


async def test_fields_of_a_later_protocol_are_no_reason_to_refuse(
    post: Post, memory: TelemetryStore
):
    request = proto_traces(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.trace_state, span.flags, span.dropped_attributes_count = "a=b", 0x301, 4
    request.resource_spans[0].schema_url = "https://opentelemetry.io/schemas/9.0.0"
    request.resource_spans[0].resource.attributes.add(key="empty")
    # Field 1000 was once the instrumentation library's; 999 is nobody's so far.
    later = b"\xc2\x3e\x03abc" + b"\xba\x3e\x01x"
    raw = request.resource_spans[0].SerializeToString() + later
    body = b"\x0a" + bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7]) + raw
    assert len(ExportTraceServiceRequest.FromString(body).resource_spans) == 1
    assert (await post("/v1/traces", body)).content == b""
    assert memory.find(TraceQuery())[0].service == "foreign-service"


@pytest.mark.parametrize("size", [100_000, 900_000])
async def test_a_huge_attribute_is_clipped_and_counted(
    post: Post, memory: TelemetryStore, size: int
):
    huge = json_attributes({"http.route": "x" * size})
    assert (await post("/v1/traces", json_traces(json_span(attributes=huge)))).content == b"{}"
    ((_, kept),) = memory.trace(TRACE).spans[0].span.attributes
    assert len(kept) == limits.VALUE_CHARS
    assert memory.losses.clipped == 1


async def test_a_span_larger_than_any_telemetry_costs_only_itself(
    post: Post, memory: TelemetryStore
):
    huge = json_attributes({"a": "x" * (limits.ITEM_BYTES + 1)})
    answer = await post("/v1/traces", json_traces(json_span(attributes=huge), json_span()))
    partial = answer.json()["partialSuccess"]
    assert (partial["rejectedSpans"], "1 MiB" in partial["errorMessage"]) == ("1", True)
    assert (len(memory.traces.spans(TRACE)), memory.losses.malformed) == (1, 1)


async def test_thirty_megabytes_in_one_attribute_are_refused_packed_or_plain(
    post: Post, memory: TelemetryStore
):
    request = proto_traces(1)
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="a").value.string_value = (
        "x" * (30 * MIB)
    )
    body = request.SerializeToString()
    assert (await post("/v1/traces", body)).status_code == 413
    packed = await post("/v1/traces", gzip.compress(body), Content_Encoding="gzip")
    assert packed.status_code == 413
    assert (len(memory.traces), memory.losses.refused_requests) == (0, 2)


async def test_impossible_times_and_parents_over_the_wire_still_make_a_waterfall(
    post: Post, memory: TelemetryStore
):
    ids = [f"{number:016x}" for number in range(1, 6)]
    year_ns = 365 * 86_400 * 10**9
    spans = [
        json_span(spanId=ids[0], parentSpanId=ids[1]),
        json_span(spanId=ids[1], parentSpanId=ids[0]),
        json_span(spanId=ids[2], parentSpanId="f" * 16),
        json_span(spanId=ids[3], startTimeUnixNano="0", endTimeUnixNano="0"),
        json_span(spanId=ids[4], startTimeUnixNano=str(NOW_NS + year_ns), endTimeUnixNano="1"),
        json_span(startTimeUnixNano="-5", endTimeUnixNano="-1"),
    ]
    assert (await post("/v1/traces", json_traces(*spans))).content == b"{}"
    view = memory.trace(TRACE)
    assert len(view.spans) == len(spans)
    assert memory.losses.adjusted == 3
    assert {CYCLE, ORPHAN} <= {placed.mark for placed in view.spans}
    assert any("clock was wrong" in mark for placed in view.spans for mark in placed.span.marks)
    for placed in view.spans:
        assert view.start_ns <= placed.span.start_ns <= placed.span.end_ns <= view.end_ns
