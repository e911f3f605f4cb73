"""One service under OpenTelemetry's own auto-instrumentation and a Prometheus middleware.

The same handlers, domain and SQL; only the signals are made the way a user would set them up:
ASGI, aiohttp client and asyncpg instrumentation, batch processor, OTLP/HTTP exporter."""

import sys
from importlib import import_module
from typing import Any, cast

from litestar.plugins.prometheus import PrometheusConfig, PrometheusMiddleware
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from chassis import telemetry
from chassis.server import serve
from chassis.settings import load
from fleet.topology import find


def main(key: str) -> int:
    """Serve `key` until a signal. The edge is left out: its work is what is compared."""
    settings = load(key, telemetry="off")
    process = find(key)
    provider = TracerProvider(resource=Resource.create({"service.name": process.name}))
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    AsyncPGInstrumentor().instrument()
    AioHttpClientInstrumentor().instrument()
    telemetry.start(settings, service=process.name)
    bare = import_module(process.module).create_app(settings).app
    measured = PrometheusMiddleware(bare, PrometheusConfig(app_name=process.name))
    traced = OpenTelemetryMiddleware(cast("Any", _Lifespan(bare, measured)))
    return serve(cast("Any", traced), settings)


class _Lifespan:
    """Start-up goes to the app itself; the Prometheus middleware knows requests only."""

    def __init__(self, bare: Any, measured: Any) -> None:
        self._bare, self._measured = bare, measured

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        inner = self._bare if scope["type"] == "lifespan" else self._measured
        await inner(scope, receive, send)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
