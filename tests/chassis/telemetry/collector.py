"""Collectors that keep what they get, over HTTP and over gRPC, and some that behave badly."""

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

from tests.harness import wire

_PLAIN: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.decompress,
    b"deflate": zlib.decompress,
}
_IDS = ("traceId", "spanId", "parentSpanId")


class Collector:
    """Keeps what it is sent, as an OpenTelemetry collector would, in OTLP's JSON mapping."""

    def __init__(self) -> None:
        self.traces: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        # Of every request, in small letters.
        self.heads: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection over HTTP."""
        while True:
            head, _, body = (await wire.read_request(reader)).partition(b"\r\n\r\n")
            self.heads.append(head := head.lower())
            for encoding, decode in _PLAIN.items():
                if b"content-encoding: " + encoding in head:
                    body = decode(body)
            into, shape = (
                (self.traces, traces_pb.ExportTraceServiceRequest)
                if b"/v1/traces" in head
                else (self.logs, logs_pb.ExportLogsServiceRequest)
            )
            if b"content-type: application/json" in head:
                into.append(json.loads(body))
            else:
                into.append(as_json(shape.FromString(body)))
            writer.write(wire.http(200, b"{}"))
            await writer.drain()

    @contextmanager
    def over_grpc(
        self, credentials: grpc.ServerCredentials | None = None, *, refuse: bool = False
    ) -> Iterator[str]:
        """A server of OTLP over gRPC; its address. `refuse`: it is too busy for anything."""
        server = grpc.server(ThreadPoolExecutor(2))
        traces_grpc.add_TraceServiceServicer_to_server(_Traces(self, refuse), server)
        logs_grpc.add_LogsServiceServicer_to_server(_Logs(self, refuse), server)
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield f"{'https' if credentials else 'http'}://127.0.0.1:{port}"
        finally:
            server.stop(0).wait()

    def accept(
        self, request: Message, context: grpc.ServicerContext, into: list[dict[str, Any]]
    ) -> None:
        """One call over gRPC."""
        pairs = [f"{key}: {value!s}" for key, value in context.invocation_metadata()]
        self.heads.append("\r\n".join(pairs).lower().encode())
        into.append(as_json(request))

    def response(self, shape: type[Message]) -> Message:
        """What a call over gRPC is answered."""
        return shape()

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Every span."""
        return [
            span
            for batch in self.traces
            for resource in batch["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every log record."""
        return [
            record
            for batch in self.logs
            for resource in batch["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]


class _Traces(traces_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector, refuse: bool) -> None:
        self._collector, self._refuse = collector, refuse

    def Export(self, request: Message, context: grpc.ServicerContext) -> Message:  # noqa: N802
        if self._refuse:
            context.abort(grpc.StatusCode.UNAVAILABLE, "full")
        self._collector.accept(request, context, self._collector.traces)
        return self._collector.response(traces_pb.ExportTraceServiceResponse)


class _Logs(logs_grpc.LogsServiceServicer):
    def __init__(self, collector: Collector, refuse: bool) -> None:
        self._collector, self._refuse = collector, refuse

    def Export(self, request: Message, context: grpc.ServicerContext) -> Message:  # noqa: N802
        if self._refuse:
            context.abort(grpc.StatusCode.UNAVAILABLE, "full")
        self._collector.accept(request, context, self._collector.logs)
        return self._collector.response(logs_pb.ExportLogsServiceResponse)


def as_json(message: Message) -> dict[str, Any]:
    """OTLP's own JSON mapping: protobuf's, but for the ids in hex and the enums as numbers."""
    document: dict[str, Any] = MessageToDict(
        message, use_integers_for_enums=True, always_print_fields_with_no_presence=True
    )
    _with_hex_ids(document)
    return document


def _with_hex_ids(node: Any) -> None:
    if isinstance(node, list):
        for each in node:
            _with_hex_ids(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _IDS:
                node[key] = base64.b64decode(value).hex()
            else:
                _with_hex_ids(value)


BAD_COLLECTORS: dict[str, wire.Handler] = {
    "refuses": wire.responds(wire.http(503, b"full")),
    "does not know us": wire.responds(wire.http(404, b"")),
    "resets": wire.reset,
    "says nothing": wire.silence,
    "is not a collector": wire.responds(b"220 mail.example ESMTP\r\n\r\n", then=wire.reset),
}
