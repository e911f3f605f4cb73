"""OpenTelemetry's exporters over gRPC, which also hear what the collector took only in part."""

from typing import Any

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from chassis.telemetry.otlp_replies import replies


def channel_options(is_local: bool) -> Any:
    """gRPC itself obeys the proxy variables, plain addresses included."""
    return (("grpc.enable_http_proxy", 0),) if is_local else ()


class _Client:
    """A stub that keeps the response."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def Export(self, **request: Any) -> Any:  # noqa: N802 - as the stub calls it
        response = self._stub.Export(**request)
        replies.note(response)
        return response


class SpanExporter(OTLPSpanExporter):
    """For spans."""

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        self._client: Any = _Client(self._client)


class LogExporter(OTLPLogExporter):
    """For lines of log."""

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        self._client: Any = _Client(self._client)
