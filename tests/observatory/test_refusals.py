"""Bad telemetry: the reason of every refusal, and that a malformed span costs only itself."""

import asyncio
import gzip
from contextlib import suppress

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from chassis.http.problems import Problem
from observatory import limits
from observatory.otlp.normalize import Malformed
from observatory.otlp.pieces import TooLarge
from observatory.otlp.receiver import Receiver
from observatory.otlp.request import JSON, PROTOBUF, read
from observatory.store.logs import LogQuery
from observatory.store.store import TelemetryStore
from tests.observatory.conftest import Post
from tests.observatory.samples import (
    NOW_NS,
    TRACE,
    json_logs,
    json_span,
    json_traces,
    proto_logs,
    proto_traces,
)

IDS = "a span needs a trace id of 16 bytes and a span id of 8"
# What is wrong with one span, and what the reader says about it.
BAD_SPANS = [
    ({"traceId": "abc"}, IDS),
    ({"traceId": "0" * 32}, IDS),
    ({"traceId": "g" * 32}, IDS),
    ({"traceId": None}, IDS),
    ({"spanId": ""}, IDS),
    ({"spanId": 7}, "spanId is not a string"),
    ({"parentSpanId": "xyz"}, "a parent span id has 8 bytes"),
    ({"name": ["no"]}, "name is not a string"),
    ({"startTimeUnixNano": "soon"}, "startTimeUnixNano is not a whole number"),
    ({"startTimeUnixNano": 1.5}, "startTimeUnixNano is not a whole number"),
    ({"startTimeUnixNano": True}, "startTimeUnixNano is not a whole number"),
    ({"endTimeUnixNano": "9" * 5000}, "endTimeUnixNano is not a whole number"),
    ({"endTimeUnixNano": 1 << 70}, "endTimeUnixNano does not fit into 64 bits"),
    ({"attributes": {"a": 1}}, "attributes is not a list"),
    ({"attributes": [{"key": 1}]}, "an attribute is not a key with a value"),
    ({"attributes": [{"key": "a", "value": "bare"}]}, "a value has no type"),
    (
        {"attributes": [{"key": "a", "value": {"boolValue": "no"}}]},
        "boolValue is not true or false",
    ),
    (
        {"attributes": [{"key": "a", "value": {"kvlistValue": {"values": 1}}}]},
        "kvlistValue is not a list",
    ),
    ({"attributes": [{"key": "a", "value": {"stringValue": 1}}]}, "stringValue is not a string"),
    (
        {"attributes": [{"key": "a", "value": {"bytesValue": "%"}}]},
        "bytesValue is not valid base64",
    ),
    ({"events": "none"}, "events is not a list of objects"),
    ({"links": [1]}, "links is not a list of objects"),
    ({"status": "bad"}, "status is not an object"),
]


def test_every_malformed_span_costs_only_itself():
    offences = []
    for wrong, reason in BAD_SPANS:
        body = msgspec.json.encode(json_traces(json_span(**wrong), json_span()))
        batch = read("traces", body, JSON, now_ns=NOW_NS)
        found = (batch.rejected, batch.reason, len(batch.spans))
        if found != (1, reason, 1):
            offences.append((wrong, found))
    assert offences == []


async def test_a_malformed_span_is_counted_in_the_response(post: Post, memory: TelemetryStore):
    answer = await post("/v1/traces", json_traces(json_span(spanId=7), json_span()))
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial == {"rejectedSpans": "1", "errorMessage": "spanId is not a string"}
    assert (len(memory.traces.spans(TRACE)), memory.losses.malformed) == (1, 1)


async def test_one_malformed_span_in_protobuf_costs_only_itself(post: Post, memory: TelemetryStore):
    request = proto_traces(3)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    # A fourth whose bytes are no span at all: a length that goes past its end.
    broken = request.SerializeToString() + bytes.fromhex("0a06120412020aff")
    answer = await post("/v1/traces", broken)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans, len(memory.traces)) == (200, 2, 2)
    assert partial.error_message


async def test_rejected_lines_are_counted_in_the_response(post: Post):
    answer = await post("/v1/logs", json_logs({"body": 5}, {"body": {"stringValue": "fine"}}))
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
    broken = bytes.fromhex("0a06120412020aff")
    partial = ExportLogsServiceResponse.FromString((await post("/v1/logs", broken)).content)
    assert partial.partial_success.rejected_log_records == 1


async def test_a_line_is_kept_without_its_invalid_reference(post: Post, memory: TelemetryStore):
    line = {"traceId": "invalid", "body": {"stringValue": "still here"}, "severityNumber": 99}
    assert (await post("/v1/logs", json_logs(line))).content == b"{}"
    row = memory.tail(LogQuery()).lines[0]
    assert (row.message, row.trace_id, row.level) == ("still here", "", "INFO")


UNDECODABLE = [
    (PROTOBUF, b"\xff" * 10),
    (PROTOBUF, b"\x0a\x7fshort"),
    (PROTOBUF, proto_traces(2).SerializeToString()[:-1]),
    (PROTOBUF, b"<html>"),
    (JSON, b""),
    (JSON, b"[]"),
    (JSON, b'{"resourceSpans": 1}'),
    (JSON, b'{"resourceSpans": [{"scopeSpans": {}}]}'),
    (JSON, b'{"a":' * 100_000),
    (JSON, b'{"resourceSpans"'),
    (JSON, b"\xff\xfe"),
]


async def test_every_undecodable_body_is_a_400_with_a_status(
    client: httpx.AsyncClient, memory: TelemetryStore
):
    offences = []
    for media_type, body in UNDECODABLE:
        headers = {"Content-Type": f"{media_type}; charset=utf-8"}
        answer = await client.post("/v1/traces", content=body, headers=headers)
        if not is_status(answer, 400, 3, media_type):
            offences.append((media_type, body[:30], answer.content))
    assert offences == []
    assert (len(memory.traces), memory.losses.refused_requests) == (0, len(UNDECODABLE))


def is_status(answer: httpx.Response, status: int, code: int, media_type: str) -> bool:
    """Whether it is a google.rpc.Status in this encoding, with a message."""
    if (answer.status_code, answer.headers["content-type"]) != (status, media_type):
        return False
    if media_type == JSON:
        return answer.json()["code"] == code and bool(answer.json()["message"])
    # Its code is in field 1, its message in field 2.
    return answer.content[:3] == STATUS % code and len(answer.content) == 4 + answer.content[3]


OTHER_TYPES = [
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content-Type": "text/html"}, 415),
    ({}, 415),
    ({"Content-Type": "application/json", "Content-Encoding": "br"}, 415),
    ({"Content-Type": "application/json", "Content-Encoding": "zstd"}, 415),
    ({"Content-Type": "application/json", "Content-Encoding": "gzip, gzip"}, 415),
    ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400),
]


async def test_other_types_and_encodings_are_refused(client: httpx.AsyncClient):
    found = []
    for headers, _ in OTHER_TYPES:
        answer = await client.post("/v1/traces", content=b"{}", headers=headers)
        found.append((headers, answer.status_code, answer.json()["code"]))
    assert found == [(headers, status, 3) for headers, status in OTHER_TYPES]


async def test_a_truncated_gzip_is_a_400(post: Post):
    packed = gzip.compress(proto_traces(10).SerializeToString())
    for body in (packed[:-9], packed[:5], packed + b"tail", b""):
        assert (await post("/v1/traces", body, Content_Encoding="gzip")).status_code == 400


@pytest.mark.parametrize("encoding", ["zstd", "br", "snappy"])
async def test_another_packing_is_named_with_what_is_accepted(
    client: httpx.AsyncClient, encoding: str
):
    headers = {"Content-Type": JSON, "Content-Encoding": encoding}
    answer = await client.post("/v1/traces", content=b"{}", headers=headers)
    message = f"{encoding} is not accepted: send it with gzip or deflate, or uncompressed"
    assert (answer.status_code, answer.json()["message"]) == (415, message)
    assert answer.headers["accept-encoding"] == "gzip, deflate"


async def test_a_body_over_the_bound_is_a_413(post: Post, memory: TelemetryStore):
    answer = await post("/v1/traces", bytes(limits.BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.content[:2] == b"\x08\x08"
    assert (await post("/v1/traces", proto_traces().SerializeToString())).status_code == 200


async def test_a_gzip_bomb_is_a_413_and_never_unpacked(post: Post):
    assert len(BOMB) < limits.BODY_BYTES
    answer = await post("/v1/traces", BOMB, Content_Encoding="gzip")
    assert (answer.status_code, answer.content[:2]) == (413, b"\x08\x08")


STATUS = b"\x08%c\x12"  # google.rpc.Status: its code in field 1, then a text in field 2


MANY = limits.PIECES + 1
BOMB = gzip.compress(bytes(64 << 20), 1)
REFUSALS = [
    ("/v1/traces", {}, b"\xff\xff", 400, 3),
    ("/v1/logs", {"Content-Encoding": "gzip"}, gzip.compress(b"x")[:-3], 400, 3),
    ("/v1/traces", {"Content-Encoding": "gzip"}, gzip.compress(b"") * 180_000, 400, 3),
    ("/v1/traces", {"Content-Encoding": "br"}, b"", 415, 3),
    ("/v1/logs", {}, bytes(limits.BODY_BYTES + 1), 413, 8),
    ("/v1/traces", {"Content-Encoding": "gzip"}, BOMB, 413, 8),
]


async def test_every_refusal_is_a_status_in_the_encoding_of_the_request_and_counted(
    client: httpx.AsyncClient, memory: TelemetryStore
):
    offences = []
    for media_type in (JSON, PROTOBUF):
        for path, headers, body, status, code in REFUSALS:
            sent = {"Content-Type": media_type, **headers}
            answer = await client.post(path, content=body, headers=sent)
            if not is_status(answer, status, code, media_type):
                offences.append((media_type, path, headers, answer.content))
    assert offences == []
    assert memory.losses.refused_requests == 2 * len(REFUSALS)


def nested(number: int, content: bytes) -> bytes:
    """A message with `content` in a field of type bytes; its length takes three bytes."""
    size = len(content)
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    return bytes([number << 3 | 2]) + length + content


TOO_MANY = [
    (PROTOBUF, b"\x0a\x00" * MANY),
    (PROTOBUF, nested(1, b"\x12\x00" * MANY)),
    (PROTOBUF, nested(1, nested(2, b"\x12\x00" * MANY))),
    (JSON, b'{"resourceSpans":[' + b"{}," * MANY + b"{}]}"),
    (JSON, b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"0," * MANY + b"0]}]}]}"),
    (JSON, b"[" + b"0," * (limits.JSON_COMMAS + 1) + b"0]"),
]


def test_a_body_of_more_pieces_than_telemetry_has_is_refused_as_too_large():
    for media_type, body in TOO_MANY:
        with pytest.raises(TooLarge):
            read("traces", body, media_type, now_ns=NOW_NS)


async def test_a_metric_that_cannot_be_read_is_counted_and_the_others_are_kept(
    post: Post, memory: TelemetryStore
):
    good = {"name": "queue", "gauge": {"dataPoints": [{"asDouble": 1.0}]}}
    bad: list[object] = [{"name": "nothing"}, {"gauge": {}}, {"name": 7}, 7]
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [*bad, good]}]}]}
    answer = await post("/v1/metrics", body)
    assert answer.json()["partialSuccess"]["rejectedDataPoints"] == str(len(bad))
    assert [each.name for each in memory.metrics.find()] == ["queue"]


async def test_too_many_items_in_one_request_are_counted_not_kept(
    client: httpx.AsyncClient, memory: TelemetryStore
):
    minimal = msgspec.json.encode(json_span(name=None, kind=None))
    spans = [minimal.replace(TRACE.encode(), b"%032x" % n) for n in range(1, 22_001)]
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join(spans) + b"]}]}]}"
    packed = gzip.compress(body)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await client.post("/v1/traces", content=packed, headers=headers)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "2000"
    assert memory.losses.malformed == 2_000


@pytest.mark.parametrize(
    "header",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
    ],
)
async def test_another_sites_page_may_not_send_telemetry(
    client: httpx.AsyncClient, memory: TelemetryStore, header: dict[str, str]
):
    for signal in ("traces", "logs"):
        # A form of another site can send plain text, and no browser asks first.
        for kind in ("application/json", "text/plain"):
            headers = {"Content-Type": kind, **header}
            answer = await client.post(f"/v1/{signal}", content=b"{}", headers=headers)
            assert answer.status_code == 403
    assert memory.losses.refused_requests == 0


async def test_bodies_that_unpack_to_more_than_memory_holds_are_asked_to_come_back(
    memory: TelemetryStore,
):
    receiver = Receiver(memory)
    body = gzip.compress(proto_traces(1).SerializeToString() + bytes.fromhex("1a") + huge())
    found = await asyncio.gather(
        *(receiver.receive("traces", body, PROTOBUF, "gzip") for _ in range(4)),
        return_exceptions=True,
    )
    refused = [each for each in found if isinstance(each, Problem)]
    assert {each.status for each in refused} == {503}
    assert len(refused) < 4
    assert await receiver.receive("traces", body, PROTOBUF, "gzip") == b""
    await receiver.close()


def huge() -> bytes:
    """Content of a field that nobody knows, with its length: all that one request may have."""
    size = limits.UNPACKED_BYTES - 4096
    length = bytes([size >> shift & 0x7F | 0x80 for shift in (0, 7, 14)]) + bytes([size >> 21])
    return length + bytes(size)


signals = st.sampled_from(["traces", "logs"])
VALID = {
    (PROTOBUF, "traces"): proto_traces(2).SerializeToString(),
    (PROTOBUF, "logs"): proto_logs("one", "two").SerializeToString(),
    (JSON, "traces"): msgspec.json.encode(json_traces(json_span(), json_span())),
    (JSON, "logs"): msgspec.json.encode(json_logs({"body": {"stringValue": "hi"}})),
}


@given(st.sampled_from([JSON, PROTOBUF]), signals, st.booleans(), st.data())
def test_whatever_the_bytes_they_are_read_or_refused(media_type, signal, gzipped, data):
    """A good request with bytes changed, put in and cut off: never another exception."""
    body = bytearray(VALID[media_type, signal])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.binary()))):
        body[at : at + 1] = byte
    sent = bytes(body[: data.draw(st.integers(0, len(body)))])
    with suppress(Malformed, TooLarge):
        batch = read(signal, sent, media_type, encoding="gzip" if gzipped else "", now_ns=NOW_NS)
        assert len(batch.spans) + len(batch.lines) + batch.rejected < 10
