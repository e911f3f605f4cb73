"""One OTLP export request from its bytes to spans or lines, and the bytes of the response."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from observatory import limits
from observatory.metrics.received import MetricPoint
from observatory.otlp import json, metrics, packing, protobuf
from observatory.otlp.normalize import Malformed, Normalizer, Resource
from observatory.otlp.pieces import Sender
from observatory.store.model import StoredLine, StoredSpan, pack

JSON, PROTOBUF = "application/json", "application/x-protobuf"
Signal = Literal["traces", "logs", "metrics"]
_Items = Callable[[bytes, Signal, Normalizer], Iterator[tuple[Sender, bytes]]]
_Decode = Callable[[bytes, Resource, Normalizer], Any]

_ITEMS: dict[str, _Items] = {JSON: json.items, PROTOBUF: protobuf.items}
_DECODE: dict[tuple[str, Signal], _Decode] = {
    (JSON, "traces"): json.span,
    (JSON, "logs"): json.line,
    (PROTOBUF, "traces"): protobuf.span,
    (PROTOBUF, "logs"): protobuf.line,
    (JSON, "metrics"): metrics.json_metric,
    (PROTOBUF, "metrics"): metrics.protobuf_metric,
}
_REJECTED: dict[Signal, str] = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}
# google.rpc.Code, by the status of HTTP that carries it.
_CODES = {400: 3, 401: 16, 404: 12, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
# While a batch is decoded the pages must stay quick: every few items the thread releases the
# interpreter for a moment, or the event loop would wait 5 ms each time it has work to do.
_ITEMS_AT_A_TIME = 32
_PAUSE_S = 0.0002
# Requests take turns: the largest takes seconds, in which the shop's own would be given up. A full
# batch of the OpenTelemetry SDKs, 512 items, is one turn of some 30 ms.
_ITEMS_A_TURN = 512


class Batch(Struct):
    """What one request contained: points of metrics, or spans or lines, each with its packed form
    (a whole span, a line's attributes); and how much was clipped, adjusted or rejected."""

    spans: list[tuple[StoredSpan, bytes]] = []
    lines: list[tuple[StoredLine, bytes]] = []
    points: list[MetricPoint] = []
    rejected: int = 0
    reason: str = ""
    clipped: int = 0
    adjusted: int = 0


def read(
    signal: Signal,
    body: bytes,
    media_type: str,
    *,
    now_ns: int,
    encoding: str = "",
    stored: bool = False,
) -> Batch:
    """The batch in a request that arrived at `now_ns`, packed as `encoding` says; for `stored` see
    `Normalizer`. Runs in a thread.

    Raises `Malformed` when the request as a whole cannot be read, or `TooLarge`."""
    if encoding:
        body = packing.unpack(body, encoding)
    batch = Batch()
    for _ in turns(batch, signal, body, media_type, Normalizer(now_ns, stored=stored)):
        pass
    return batch


def turns(
    batch: Batch, signal: Signal, body: bytes, media_type: str, normalizer: Normalizer
) -> Iterator[None]:
    """Fill the batch from a body that is not packed as `read` does, a part of it at each turn."""
    decode = _DECODE[media_type, signal]
    for number, (sender, raw) in enumerate(_ITEMS[media_type](body, signal, normalizer)):
        if number >= limits.BATCH_ITEMS:
            batch.rejected += 1
            batch.reason = batch.reason or f"more than {limits.BATCH_ITEMS} items in one request"
            continue
        if number % _ITEMS_A_TURN == _ITEMS_A_TURN - 1:
            yield
        if number % _ITEMS_AT_A_TIME == _ITEMS_AT_A_TIME - 1:
            time.sleep(_PAUSE_S)
        try:
            record = _decoded(decode, raw, sender, normalizer)
        except Malformed as malformed:
            batch.rejected += 1
            batch.reason = batch.reason or str(malformed)
            continue
        if isinstance(record, StoredSpan):
            batch.spans.append((record, pack(record)))
        elif isinstance(record, StoredLine):
            batch.lines.append((record, pack(record.attributes)))
        else:
            batch.points.extend(record)
    batch.clipped, batch.adjusted = normalizer.clipper.clipped, normalizer.adjusted


def _decoded(decode: _Decode, raw: bytes, sender: Sender, normalizer: Normalizer) -> Any:
    if isinstance(sender, Malformed):
        raise sender
    if len(raw) > limits.ITEM_BYTES:
        raise Malformed(f"an item is larger than {limits.ITEM_BYTES >> 20} MiB")
    return decode(raw, sender, normalizer)


def accepted(signal: Signal, media_type: str, rejected: int, reason: str) -> bytes:
    """Export*ServiceResponse; with partial_success when something was rejected."""
    if media_type == JSON:
        if not rejected:
            return b"{}"
        partial = {_REJECTED[signal]: str(rejected), "errorMessage": reason}
        return msgspec.json.encode({"partialSuccess": partial})
    if not rejected:
        return b""
    # The responses for the three signals differ in their names only: their bytes are equal.
    partial_success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=reason)
    return bytes(ExportTraceServiceResponse(partial_success=partial_success).SerializeToString())


def code_of(status: int) -> int:
    """google.rpc.Code of a status of HTTP."""
    return _CODES.get(status, 3 if status < 500 else 13)


def refused(status: int, media_type: str, message: str) -> bytes:
    """google.rpc.Status, which OTLP requires in every response that is not 200."""
    code = code_of(status)
    if media_type == JSON:
        return msgspec.json.encode({"code": code, "message": message})
    # google.rpc.Status is a number in field 1 and a text in field 2, exactly as this message is.
    status = ExportTracePartialSuccess(rejected_spans=code, error_message=message)
    return bytes(status.SerializeToString())
