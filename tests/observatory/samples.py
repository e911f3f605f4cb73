"""Telemetry to send and to keep: spans and lines as records, in JSON and in protobuf."""

import itertools
import time
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observatory.store.model import StoredLine, StoredSpan, pack
from observatory.store.store import TelemetryStore

NOW_NS = time.time_ns()
MS = 10**6
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOSTILE = "<script>alert('x')</script>\x1b[31m\x00\u202eevil"
_numbers = itertools.count(1)


def trace_id() -> str:
    """A new trace id."""
    return f"{next(_numbers):032x}"


def span(trace: str = TRACE, **fields: Any) -> StoredSpan:
    """A span of 10 ms that began at NOW_NS, unless told otherwise; `ms=(start, end)`."""
    start, end = fields.pop("ms", (0, 10))
    made: dict[str, Any] = {
        "span_id": f"{next(_numbers):016x}",
        "parent_id": "",
        "service": "order-service",
        "instance": "order-service-1",
        "name": "POST /orders",
        "kind": 2,
        "start_ns": NOW_NS + int(start * MS),
        "end_ns": NOW_NS + int(end * MS),
        "attributes": (("http.route", "/orders"), ("http.response.status_code", "201")),
        **fields,
    }
    return StoredSpan(trace_id=trace, **made)


def line(message: str = "paid", **fields: Any) -> StoredLine:
    """A line of INFO, unless told otherwise."""
    made: dict[str, Any] = {
        "at_ns": NOW_NS,
        "severity": 9,
        "level": "INFO",
        "service": "order-service",
        "trace_id": TRACE,
        "span_id": "",
        **fields,
    }
    return StoredLine(message=message, **made)


def keep(memory: TelemetryStore, *records: StoredSpan | StoredLine) -> None:
    """As the receiver does it."""
    for record in records:
        if isinstance(record, StoredSpan):
            memory.keep_span(record, pack(record))
        else:
            memory.keep_line(record, pack(record.attributes))


def json_attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    """Attributes as OTLP spells them in JSON."""
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def json_span(**fields: Any) -> dict[str, Any]:
    """One good span of OTLP in JSON; None leaves a field out."""
    made = {
        "traceId": TRACE,
        "spanId": f"{next(_numbers):016x}",
        "name": "GET /products",
        "kind": 2,
        "startTimeUnixNano": str(NOW_NS),
        "endTimeUnixNano": str(NOW_NS + 5 * MS),
        **fields,
    }
    return {key: value for key, value in made.items() if value is not None}


def json_traces(*spans: Any, service: str = "foreign-service", **more: str) -> dict[str, Any]:
    """An export request; `more` its sender says of itself."""
    resource = {"attributes": json_attributes({"service.name": service, **more})}
    group = {"resource": resource, "scopeSpans": [{"spans": list(spans)}]}
    return {"resourceSpans": [group]}


def json_logs(*lines: Any, service: str = "foreign-service") -> dict[str, Any]:
    """An export request."""
    resource = {"attributes": json_attributes({"service.name": service})}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(lines)}]}]}


def proto_traces(count: int = 1, *, attributes: int = 2, service: str = "foreign-service") -> Any:
    """An export request of `count` spans, each in a trace of its own."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    spans = group.scope_spans.add().spans
    for _ in range(count):
        made = spans.add(
            trace_id=bytes.fromhex(trace_id()),
            span_id=next(_numbers).to_bytes(8, "big"),
            name="GET /products",
            kind=2,
            start_time_unix_nano=NOW_NS,
            end_time_unix_nano=NOW_NS + 5 * MS,
        )
        for number in range(attributes):
            made.attributes.add(key=f"attribute.{number}").value.string_value = f"{number} " * 10
    return request


def proto_logs(*messages: str) -> Any:
    """An export request with these messages, all in TRACE."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for message in messages:
        made = records.add(trace_id=bytes.fromhex(TRACE), time_unix_nano=NOW_NS, severity_number=17)
        made.body.string_value = message
    return request
