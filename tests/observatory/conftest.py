"""A receiver behind a real socket, with its memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from observatory.otlp.receiver import Receiver
from observatory.store.store import TelemetryStore
from tests.harness.serving import knock, serve, settings_of

Post = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def memory() -> TelemetryStore:
    """A memory of its usual size."""
    return TelemetryStore()


@pytest.fixture
async def receiver_url(memory: TelemetryStore) -> AsyncIterator[str]:
    """The receiver within an app as the dashboard is one."""
    settings = settings_of("dashboard", "postgresql://nobody@127.0.0.1:1/nothing")
    registry = CollectorRegistry()
    memory.export(registry)
    receiver = Receiver(memory)
    app = service_app(
        name="dashboard",
        title="Telemetry",
        settings=settings,
        registry=registry,
        routes=receiver.routes(),
        closes=[receiver.close],
    )
    async with serve(app, settings) as url:
        yield url


@pytest.fixture
async def client(receiver_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A sender."""
    async with knock(receiver_url, timeout=30) as client:
        yield client


@pytest.fixture
def post(client: httpx.AsyncClient) -> Post:
    """`post("/v1/traces", body)`: bytes are protobuf, anything else goes as JSON."""

    async def send(path: str, body: Any, **headers: str) -> httpx.Response:
        if isinstance(body, bytes):
            media_type = "application/x-protobuf"
        else:
            body, media_type = msgspec.json.encode(body), "application/json"
        sent = {"Content-Type": media_type, **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await client.post(path, content=body, headers=sent)

    return send
