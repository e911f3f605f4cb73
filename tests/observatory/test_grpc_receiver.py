"""Telemetry over gRPC: the same store, bounds and refusals as over HTTP."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from fleet.ports import free_port
from observatory import limits
from observatory.otlp.grpc_receiver import serving
from observatory.otlp.receiver import Receiver
from observatory.store.logs import LogQuery
from observatory.store.store import TelemetryStore
from tests.observatory.samples import TRACE, proto_logs, proto_traces

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ANY_SIZE = [("grpc.max_send_message_length", -1)]


@pytest.fixture
async def address(memory: TelemetryStore) -> AsyncIterator[str]:
    """A receiver on a real port."""
    receiver, port = Receiver(memory), free_port()
    async with serving(receiver, "127.0.0.1", port):
        yield f"127.0.0.1:{port}"
    await receiver.close()


@pytest.fixture
async def channel(address: str) -> AsyncIterator[aio.Channel]:
    """A sender."""
    async with aio.insecure_channel(address, options=ANY_SIZE) as channel:
        yield channel


@pytest.mark.parametrize(
    "compression",
    [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate],
)
async def test_spans_and_lines_are_kept_however_they_are_packed(
    channel: aio.Channel, memory: TelemetryStore, compression: grpc.Compression
):
    traces, logs = TraceServiceStub(channel), LogsServiceStub(channel)
    answer = await traces.Export(proto_traces(3), compression=compression)
    assert answer == ExportTraceServiceResponse()
    await logs.Export(proto_logs("one", "two"), compression=compression)
    assert len(memory.traces) == 3
    assert [line.message for line in memory.tail(LogQuery(trace_id=TRACE)).lines] == ["one", "two"]


async def test_a_malformed_span_costs_only_itself(channel: aio.Channel, memory: TelemetryStore):
    request = proto_traces(3)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    answer = await TraceServiceStub(channel).Export(request)
    assert answer.partial_success.rejected_spans == 1
    assert "16 bytes" in answer.partial_success.error_message
    assert len(memory.traces) == 2


REFUSALS = [
    (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "not valid OTLP"),
    (gzip.compress(b"") * 100_000, grpc.StatusCode.INVALID_ARGUMENT, "gzip members"),
    (gzip.compress(bytes(64 << 20), 1), grpc.StatusCode.RESOURCE_EXHAUSTED, "unpacked"),
    (b"\x0a\x00" * 200_000, grpc.StatusCode.RESOURCE_EXHAUSTED, "more than"),
    (bytes(limits.BODY_BYTES + 1), grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
]


async def test_every_refusal_has_its_code_and_its_reason(
    channel: aio.Channel, memory: TelemetryStore
):
    export = channel.unary_unary(EXPORT)
    found = []
    for body, _, _ in REFUSALS:
        with pytest.raises(aio.AioRpcError) as refused:
            await export(body)
        found.append((refused.value.code(), refused.value.details() or ""))
    offences = [
        (code, details)
        for (code, details), (_, wanted, reason) in zip(found, REFUSALS, strict=True)
        if code != wanted or reason not in details
    ]
    assert offences == []
    assert memory.losses.refused_requests == len(REFUSALS)


async def test_metrics_are_kept(channel: aio.Channel, memory: TelemetryStore):
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue")
    metric.gauge.data_points.add(as_int=3)
    await MetricsServiceStub(channel).Export(request)
    (series,) = memory.metrics.find()
    assert (series.name, series.points[-1][1]) == ("queue", 3.0)


async def test_senders_without_a_place_are_asked_to_come_back(address: str, memory: TelemetryStore):
    """All others have begun a request and send nothing."""
    apart = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        aio.insecure_channel(address, options=apart) as silent,
        aio.insecure_channel(address, options=apart) as other,
    ):
        calls = [silent.stream_unary(EXPORT)() for _ in range(limits.REQUESTS_AT_ONCE)]
        while await outcome(other) is not grpc.StatusCode.UNAVAILABLE:
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        while await outcome(other) is not None:
            await asyncio.sleep(0.01)
    assert memory.losses.refused_requests >= 1


_PATIENCE_S = 10.0


async def outcome(channel: aio.Channel) -> grpc.StatusCode | None:
    """The code with which a good request is refused, or None."""
    try:
        # Without a bound, one call that is lost on a busy machine would be waited for for ever.
        await TraceServiceStub(channel).Export(proto_traces(), timeout=_PATIENCE_S)
    except aio.AioRpcError as refused:
        return refused.code()
    return None


async def test_a_port_that_is_taken_costs_grpc_alone_and_is_logged(
    memory: TelemetryStore, caplog: pytest.LogCaptureFixture
):
    receiver = Receiver(memory)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        async with serving(receiver, "127.0.0.1", port):
            assert f"port {port} on 127.0.0.1 cannot be used" in caplog.text
            assert "VALERIX_OTLP_GRPC_PORT" in caplog.text
    await receiver.close()
