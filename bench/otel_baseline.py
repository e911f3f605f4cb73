"""One service under OpenTelemetry's own auto-instrumentation and a Prometheus middleware.

The same handlers, domain and SQL; only the signals are made the way a user would set them up:
ASGI, aiohttp client, asyncpg and logging instrumentation, batch processors, OTLP/HTTP exporters,
and the line of log for each request that the edge writes otherwise."""

import logging
import sys
from importlib import import_module
from typing import Any, cast

from litestar.plugins.prometheus import PrometheusConfig, PrometheusMiddleware
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from chassis.http.server import serve
from chassis.telemetry import recording
from fleet.settings import load
from topology import find


def main(key: str) -> int:
    """Serve `key` until a signal. The edge is left out: its work is what is compared."""
    settings = load(key, telemetry="off")
    process = find(key)
    resource = Resource.create({"service.name": process.name})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    AsyncPGInstrumentor().instrument()
    AioHttpClientInstrumentor().instrument()
    recording.start(settings, service=process.name)
    logs = LoggerProvider(resource=resource)
    lines = OTLPLogExporter(endpoint=f"{settings.otlp_endpoint}/v1/logs")
    logs.add_log_record_processor(BatchLogRecordProcessor(lines))
    logging.getLogger().addHandler(LoggingHandler(logger_provider=logs))
    bare = import_module(f"{process.package}.app").create_app(settings).app
    measured = PrometheusMiddleware(bare, PrometheusConfig(app_name=process.name))
    traced = OpenTelemetryMiddleware(cast("Any", _Served(bare, measured)))
    return serve(cast("Any", traced), settings)


access = logging.getLogger("access")


class _Served:
    """Start-up goes to the app itself, since the Prometheus middleware knows requests only; each
    request leaves its line of log, written while its span is the current one."""

    def __init__(self, bare: Any, measured: Any) -> None:
        self._bare, self._measured = bare, measured

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._bare(scope, receive, send)
            return
        status = 0

        async def sending(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._measured(scope, receive, sending)
        access.info("%s %s %d", scope["method"], scope["path"], status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
