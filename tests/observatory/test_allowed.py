"""What the OTLP specification allows, however rare: received, whole, in both encodings."""

import gzip
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValueList

from observatory.otlp.request import JSON, PROTOBUF, read
from observatory.store.logs import LogQuery
from observatory.store.model import StoredLine
from observatory.store.store import TelemetryStore
from tests.observatory.conftest import Post
from tests.observatory.samples import (
    NOW_NS,
    TRACE,
    json_logs,
    json_span,
    json_traces,
    proto_traces,
    trace_id,
)

MINUTE = 60 * 10**9
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
ODD_VALUES = [
    ({"kvlistValue": {}}, "{}"),
    ({"kvlistValue": {"values": None}}, "{}"),
    ({"kvlistValue": {"values": [{"key": None, "value": {"intValue": 1}}]}}, '{"":1}'),
    ({"arrayValue": {}}, "[]"),
    ({"arrayValue": {"values": [None, {}]}}, '["",""]'),
    ({"stringValue": None}, ""),
    ({"stringValue": None, "intValue": "7"}, "7"),
    ({"stringValueStrindex": 3}, ""),
    ({"somethingLater": {"a": [1]}}, ""),
    ({}, ""),
    (None, ""),
]


@pytest.mark.parametrize(("value", "text"), ODD_VALUES)
def test_a_value_that_is_empty_or_of_a_later_protocol_is_kept(value: Any, text: str):
    odd = [{"key": "odd", "value": value}]
    request = json_traces(json_span(attributes=odd))
    request["resourceSpans"][0]["resource"]["attributes"] += odd
    batch = read("traces", msgspec.json.encode(request), JSON, now_ns=NOW_NS)
    assert (batch.rejected, [span.attributes for span, _ in batch.spans]) == (0, [(("odd", text),)])
    assert batch.spans[0][0].service == "foreign-service"
    line = json_logs({"body": value, "attributes": odd, "timeUnixNano": str(NOW_NS)})
    assert read("logs", msgspec.json.encode(line), JSON, now_ns=NOW_NS).rejected == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (AnyValue(kvlist_value=KeyValueList()), "{}"),
        # Field 100 of a later protocol, and nothing else.
        (AnyValue.FromString(b"\xa2\x06\x01x"), ""),
        (AnyValue(string_value_strindex=3), "3"),
        (AnyValue(), ""),
    ],
)
def test_the_same_values_in_protobuf_are_kept(value: AnyValue, text: str):
    request = proto_traces(1, attributes=0)
    group = request.resource_spans[0]
    for place in (group.resource, group.scope_spans[0].spans[0]):
        place.attributes.add(key="odd").value.CopyFrom(value)
    batch = read("traces", request.SerializeToString(), PROTOBUF, now_ns=NOW_NS)
    assert [span.attributes for span, _ in batch.spans] == [(("odd", text),)]
    assert batch.spans[0][0].service == "foreign-service"


async def test_a_resource_that_cannot_be_read_costs_only_its_own_items(
    post: Post, memory: TelemetryStore
):
    wrong, right = json_traces(json_span(), json_span()), json_traces(json_span())
    wrong["resourceSpans"][0]["resource"]["attributes"] = 7
    wrong["resourceSpans"] += right["resourceSpans"]
    partial = (await post("/v1/traces", wrong)).json()["partialSuccess"]
    assert partial == {"rejectedSpans": "2", "errorMessage": "attributes is not a list"}
    assert len(memory.traces.spans(TRACE)) == 1


async def test_a_resource_whose_bytes_are_broken_costs_only_its_own_items(
    post: Post, memory: TelemetryStore
):
    broken = bytes.fromhex("0a090a030a7f0012021200")
    body = broken + proto_traces(2).SerializeToString()
    assert (await post("/v1/traces", body)).status_code == 200
    assert (len(memory.traces), memory.losses.malformed) == (2, 1)


MATRIX = "[" + ",".join(f"[{number}]" for number in range(10_000)) + "]"


@pytest.mark.parametrize("body", [{"stringValue": MATRIX}, msgspec.json.decode(MATRIX)])
async def test_a_line_of_many_brackets_costs_at_most_itself(
    post: Post, memory: TelemetryStore, body: Any
):
    answer = await post("/v1/logs", json_logs({"body": body}, {"body": {"stringValue": "fine"}}))
    rejected = 0 if isinstance(body, dict) else 1
    assert answer.status_code == 200
    assert (len(memory.logs), memory.losses.malformed) == (2 - rejected, rejected)


async def test_a_parent_of_zeros_is_none(post: Post, memory: TelemetryStore):
    assert (
        await post("/v1/traces", json_traces(json_span(parentSpanId="0" * 16)))
    ).content == b"{}"
    request = proto_traces(1)
    made = request.resource_spans[0].scope_spans[0].spans[0]
    made.parent_span_id, made.trace_id = bytes(8), bytes.fromhex(TRACE)
    assert (await post("/v1/traces", request.SerializeToString())).content == b""
    assert [span.parent_id for span in memory.traces.spans(TRACE)] == ["", ""]


LEVELS = [
    ({"severityText": "ERROR"}, "ERROR", ()),
    ({"severityText": "warn"}, "WARNING", ()),
    ({"severityText": "Information"}, "INFO", ()),
    ({"severityText": "FATAL3"}, "CRITICAL", ()),
    ({"severityText": "chatty"}, "INFO", (("severity_text", "chatty"),)),
    ({"severityText": "ERROR", "severityNumber": 0}, "ERROR", ()),
    ({"severityText": "whatever", "severityNumber": 5}, "DEBUG", ()),
    ({"severityNumber": "SEVERITY_NUMBER_WARN2"}, "WARNING", ()),
    ({}, "INFO", ()),
]


@pytest.mark.parametrize(("fields", "level", "attributes"), LEVELS)
def test_a_level_without_a_number_is_that_of_its_text(
    fields: dict[str, Any], level: str, attributes: Any
):
    made = json_line(body={"stringValue": "x"}, **fields)
    assert (made.level, made.attributes) == (level, attributes)


def test_a_level_without_a_number_is_that_of_its_text_in_protobuf():
    assert proto_line(severity_text="Error").level == "ERROR"


def test_an_event_without_a_body_is_a_line_with_its_name():
    for made in (json_line(eventName="device.started"), proto_line(event_name="device.started")):
        assert (made.message, made.attributes) == ("device.started", ())


def test_an_event_with_a_body_keeps_its_name_as_an_attribute():
    both = json_line(eventName="device.started", body={"stringValue": "up"})
    assert (both.message, both.attributes) == ("up", (("event.name", "device.started"),))
    assert json_line(attributes=[]).message == "a line without a body"


@pytest.mark.parametrize(
    ("off_ns", "note"),
    [
        (-2 * DAY, "arrived 2 days late"),
        (-3 * HOUR, "arrived 3 hours late"),
        (HOUR, "its clock was 60 minutes ahead"),
        (-MINUTE, ""),
        (MINUTE, ""),
    ],
)
def test_a_line_late_or_ahead_keeps_its_own_time_and_says_so(off_ns: int, note: str):
    made = json_line(timeUnixNano=str(NOW_NS + off_ns), body={"stringValue": "x"})
    notes = (("valerix.clock", note),) if note else ()
    assert (made.at_ns, made.attributes) == (NOW_NS + off_ns, notes)


def test_a_span_late_or_ahead_keeps_its_own_times_and_says_so():
    for off_ns, note in (
        (-2 * DAY, "arrived 2 days late"),
        (HOUR, "its clock was 60 minutes ahead"),
    ):
        times = (NOW_NS + off_ns, NOW_NS + off_ns + MINUTE)
        sent = json_span(startTimeUnixNano=str(times[0]), endTimeUnixNano=str(times[1]))
        body = msgspec.json.encode(json_traces(sent))
        ((made, _),) = read("traces", body, JSON, now_ns=NOW_NS).spans
        assert ((made.start_ns, made.end_ns), made.marks) == (times, (note,))


async def test_a_late_line_is_found_by_its_text_and_by_its_note(post: Post, memory: TelemetryStore):
    late = {"timeUnixNano": str(NOW_NS - 2 * DAY), "body": {"stringValue": "kept for you"}}
    assert (await post("/v1/logs", json_logs(late))).content == b"{}"
    for text in ("kept for you", "2 days late"):
        (found,) = memory.tail(LogQuery(text=text)).lines
        assert found.at_ns == NOW_NS - 2 * DAY


def ordinary(count: int) -> ExportTraceServiceRequest:
    """Spans as an instrumented web server makes them, over a kilobyte each."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "foreign-service"
    spans = group.scope_spans.add().spans
    for number in range(count):
        made = spans.add(
            trace_id=bytes.fromhex(trace_id()),
            span_id=(number + 1).to_bytes(8, "big"),
            name="GET /products/{product_id}",
            start_time_unix_nano=NOW_NS,
            end_time_unix_nano=NOW_NS,
        )
        for at in range(16):
            made.attributes.add(key=f"http.request.header.{at}").value.string_value = "value " * 8
    return request


# A collector's default: otelcol's batch processor sends 8 192 at once.
async def test_a_collector_s_default_batch_is_taken_plain_and_packed(
    post: Post, memory: TelemetryStore
):
    body = ordinary(8_192).SerializeToString()
    assert len(body) > 8 << 20
    for packed, headers in (
        (body, {}),
        (gzip.compress(body, 1), {"Content_Encoding": "gzip"}),
    ):
        answer = await post("/v1/traces", packed, **headers)
        assert (answer.status_code, answer.content) == (200, b"")
    losses = memory.losses
    assert len(memory.traces) + losses.traces_evicted + losses.duplicates == 2 * 8_192


def json_line(**fields: Any) -> StoredLine:
    """The line that one record in JSON becomes, read in one step or field by field."""
    body = msgspec.json.encode(json_logs({"timeUnixNano": str(NOW_NS), **fields}))
    return only_line(body, JSON)


def proto_line(**fields: Any) -> StoredLine:
    """The line that one record in protobuf becomes."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(time_unix_nano=NOW_NS, **fields)
    return only_line(request.SerializeToString(), PROTOBUF)


def only_line(body: bytes, media_type: str) -> StoredLine:
    """The one line of a request."""
    ((made, _),) = read("logs", body, media_type, now_ns=NOW_NS).lines
    return made
