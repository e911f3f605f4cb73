"""Sends spans and lines of log with OpenTelemetry's own OTLP exporter, over HTTP or gRPC.

Imported only where it is used: it takes 14 MB with HTTP, 23 MB with gRPC. The exporter reads the
OTEL_EXPORTER_OTLP_ variables itself and retries within its timeout; docs/settings.md lists them."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from chassis.telemetry.batch_queue import NotDelivered, T
from chassis.telemetry.context import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, Span
from chassis.telemetry.log_lines import LogLine
from chassis.telemetry.otel_variables import GRPC
from chassis.telemetry.otlp_replies import replies

_SCOPE = InstrumentationScope("valerix")
_KINDS = {
    INTERNAL: SpanKind.INTERNAL,
    SERVER: SpanKind.SERVER,
    CLIENT: SpanKind.CLIENT,
    PRODUCER: SpanKind.PRODUCER,
    CONSUMER: SpanKind.CONSUMER,
}
_SEVERITY = {
    "DEBUG": SeverityNumber.DEBUG,
    "INFO": SeverityNumber.INFO,
    "WARNING": SeverityNumber.WARN,
    "ERROR": SeverityNumber.ERROR,
    "CRITICAL": SeverityNumber.FATAL,
}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NO_ID = "0"


class _Reasons(logging.Handler):
    """What the exporters log while a batch is sent, of each sending thread apart: they log in the
    thread that calls them. The queue writes one line for each outage, with this as the reason."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what it says."""
        self._here.lines = [*getattr(self._here, "lines", ()), record.getMessage()]

    def begin(self) -> None:
        """Forget what was logged about the batch before."""
        self._here.lines = []

    def text(self) -> str:
        """The last two lines: one about a try often says more than the one that ends them."""
        return " ".join(self._here.lines[-2:]) or "the exporter gave no reason"


_reasons = _Reasons()
_LIBRARY = "opentelemetry.exporter"


class OtlpSender(Generic[T]):
    """One kind of signal through one official exporter."""

    def __init__(self, exporter: Any, convert: Callable[[T], Any]) -> None:
        self._exporter, self._convert = exporter, convert
        library = logging.getLogger(_LIBRARY)
        library.handlers[:], library.propagate = [_reasons], False
        # It leaves out what it has logged in the same twenty seconds, also about another signal.
        for name in logging.Logger.manager.loggerDict:
            if name.startswith(_LIBRARY):
                logging.getLogger(name).filters.clear()

    def send(self, batch: Sequence[T]) -> None:
        """Tries again within the exporter's timeout, as long as the failure may pass."""
        _reasons.begin()
        replies.begin()
        result = self._exporter.export([self._convert(item) for item in batch])
        if result.name != "SUCCESS":
            raise NotDelivered(_reasons.text())
        if count := replies.rejected:
            raise NotDelivered(f"{count} rejected: {replies.message}", count)

    def close(self) -> None:
        """End what is under way."""
        self._exporter.shutdown()


def span_sender(
    protocol: str, resource: Mapping[str, str | int], *, is_local: bool, **options: Any
) -> OtlpSender[Span]:
    """For spans; `options` (endpoint, headers) win over the environment. No proxy leads to what
    `is_local`."""
    if protocol == GRPC:
        from chassis.telemetry.otlp_grpc import SpanExporter, channel_options

        exporter: Any = SpanExporter(channel_options=channel_options(is_local), **options)
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from chassis.telemetry.otlp_http import CollectorSession

        exporter = OTLPSpanExporter(session=CollectorSession(is_local), **options)
    about = Resource(resource)
    return OtlpSender(exporter, lambda span: _readable_span(span, about))


def log_sender(
    protocol: str, resource: Mapping[str, str | int], *, is_local: bool, **options: Any
) -> OtlpSender[LogLine]:
    """For lines of log."""
    if protocol == GRPC:
        from chassis.telemetry.otlp_grpc import LogExporter, channel_options

        exporter: Any = LogExporter(channel_options=channel_options(is_local), **options)
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

        from chassis.telemetry.otlp_http import CollectorSession

        exporter = OTLPLogExporter(session=CollectorSession(is_local), **options)
    about = Resource(resource)
    return OtlpSender(exporter, lambda line: _readable_log(line, about))


def _readable_span(span: Span, resource: Resource) -> ReadableSpan:
    # Only what serves a request may have its parent in another process.
    remote = span.kind in (SERVER, PRODUCER, CONSUMER)
    parent = _context(span.trace_id, span.parent_id, remote=remote) if span.parent_id else None
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, tracestate=span.tracestate),
        parent=parent,
        kind=_KINDS[span.kind],
        start_time=span.start_ns,
        end_time=span.end_ns,
        attributes=_attributes(span.attributes),
        events=[Event(name, _attributes(attributes), at) for at, name, attributes in span.events],
        links=[Link(_context(trace, parent, remote=True)) for trace, parent in span.links],
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        resource=resource,
        instrumentation_scope=_SCOPE,
    )


def _readable_log(line: LogLine, resource: Resource) -> ReadableLogRecord:
    fields = line.fields
    rest = {k: v for k, v in fields.items() if k not in ("timestamp", "message", "level")}
    span = _context(rest.pop("trace_id", _NO_ID), rest.pop("span_id", _NO_ID))
    at_ns = int(line.created_s * 1e9)
    record = LogRecord(
        timestamp=at_ns,
        observed_timestamp=at_ns,
        context=set_span_in_context(NonRecordingSpan(span)),
        severity_text=fields["level"],
        severity_number=_SEVERITY.get(fields["level"], SeverityNumber.INFO),
        body=fields["message"],
        attributes=_attributes(rest),
    )
    return ReadableLogRecord(record, resource, _SCOPE)


def _context(
    trace_id: str, span_id: str, *, remote: bool = False, tracestate: str = ""
) -> SpanContext:
    state = TraceState.from_header([tracestate]) if tracestate else None
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, _SAMPLED, state)


def _attributes(values: Mapping[str, object]) -> dict[str, Any]:
    return {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in values.items()}
