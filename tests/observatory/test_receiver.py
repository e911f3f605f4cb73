"""Telemetry over HTTP: what is received, in every encoding that senders use."""

import asyncio
import gzip
import time

import pytest

from observatory.otlp.receiver import Receiver
from observatory.otlp.request import PROTOBUF
from observatory.store.logs import LogQuery
from observatory.store.model import SERVER
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.conftest import Post
from tests.observatory.samples import (
    MS,
    NOW_NS,
    TRACE,
    json_logs,
    json_span,
    json_traces,
    proto_logs,
    proto_traces,
)


async def test_spans_in_protobuf_are_kept(post: Post, memory: TelemetryStore):
    answer = await post("/v1/traces", proto_traces(3).SerializeToString())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert [row.service for row in memory.find(TraceQuery())] == ["foreign-service"] * 3


async def test_lines_in_protobuf_are_kept(post: Post, memory: TelemetryStore):
    answer = await post("/v1/logs", proto_logs("one", "two").SerializeToString())
    assert (answer.status_code, answer.content) == (200, b"")
    lines = memory.tail(LogQuery(trace_id=TRACE)).lines
    assert [(line.level, line.message) for line in lines] == [("ERROR", "one"), ("ERROR", "two")]


async def test_spans_and_lines_in_json_are_kept(post: Post, memory: TelemetryStore):
    assert (await post("/v1/traces", json_traces(json_span()))).content == b"{}"
    assert (await post("/v1/logs", json_logs({"body": {"stringValue": "hi"}}))).content == b"{}"
    kept = memory.trace(TRACE).spans[0].span
    assert kept.end_ns - kept.start_ns == 5 * MS
    assert memory.tail(LogQuery()).lines[0].message == "hi"


async def test_snake_case_numbers_and_names_are_json_too(post: Post, memory: TelemetryStore):
    span = {
        "trace_id": TRACE.upper(),
        "span_id": "00f067aa0ba902b7",
        "name": "old sender",
        "kind": "SPAN_KIND_SERVER",
        "start_time_unix_nano": NOW_NS,
        "end_time_unix_nano": float(NOW_NS + 10**9),
        "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
        "attributes": [
            {"key": "int", "value": {"int_value": 7}},
            {"key": "text", "value": {"string_value": "x"}},
            {"key": "flag", "value": {"bool_value": False}},
            {"key": "share", "value": {"double_value": 0.5}},
            {"key": "nan", "value": {"doubleValue": "NaN"}},
            {"key": "raw", "value": {"bytesValue": "3q0="}},
            {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": None}]}}},
        ],
    }
    body = {"resource_spans": [{"resource": None, "scope_spans": [{"spans": [span]}]}]}
    assert (await post("/v1/traces", body)).content == b"{}"
    kept = memory.trace(TRACE).spans[0].span
    assert (kept.service, kept.name, kept.kind) == ("unknown_service", "old sender", SERVER)
    assert (kept.failed, kept.error) == (True, "no")
    assert dict(kept.attributes) == {
        "int": "7",
        "text": "x",
        "flag": "false",
        "share": "0.5",
        "nan": "NaN",
        "raw": "dead",
        "list": '[1,""]',
        "map": '{"k":""}',
    }


@pytest.mark.parametrize("members", [1, 2])
async def test_gzip_is_unpacked(post: Post, memory: TelemetryStore, members: int):
    body = proto_traces(10).SerializeToString()
    # Several members in a row are one body, as RFC 1952 has it.
    cut = len(body) // members
    packed = b"".join(
        gzip.compress(body[part * cut : (part + 1) * cut if part < members - 1 else None])
        for part in range(members)
    )
    answer = await post("/v1/traces", packed, Content_Encoding="gzip")
    assert answer.status_code == 200
    assert len(memory.traces) == 10


async def test_a_small_request_does_not_wait_for_a_large_one(memory: TelemetryStore):
    receiver = Receiver(memory)
    large = proto_traces(10_000, attributes=8).SerializeToString()
    small = proto_traces(1).SerializeToString()
    reading = asyncio.create_task(receiver.receive("traces", large, PROTOBUF, ""))
    await asyncio.sleep(0)
    assert await receiver.receive("traces", small, PROTOBUF, "") == b""
    assert (len(memory.traces), reading.done()) == (1, False)
    assert await reading == b""
    assert len(memory.traces) + memory.losses.traces_evicted == 10_001
    await receiver.close()


async def test_an_empty_request_is_fine(post: Post):
    assert (await post("/v1/traces", b"")).status_code == 200
    assert (await post("/v1/logs", {})).status_code == 200


async def test_the_clock_of_the_answer_is_short(post: Post):
    """A batch as the SDKs send it must not keep its sender waiting."""
    body = proto_traces(512, attributes=8).SerializeToString()
    await post("/v1/traces", body)
    began = time.perf_counter()
    assert (await post("/v1/traces", body)).status_code == 200
    assert time.perf_counter() - began < 2
