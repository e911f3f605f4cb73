"""Where an operator token is set, strangers cannot fill the dashboard with telemetry."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from grpc import aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from chassis.http.brake import Brake
from chassis.service_credential import ServiceCredential
from chassis.telemetry.batch_queue import BatchQueue, stop_all
from chassis.telemetry.context import Span
from chassis.telemetry.senders import make_senders
from fleet.ports import free_port
from fleet.settings import load
from observatory.otlp.allowed_senders import AllowedSenders
from observatory.otlp.grpc_receiver import serving
from observatory.otlp.receiver import Receiver
from observatory.store.store import TelemetryStore
from tests.harness.serving import knock, serve, settings_of
from tests.observatory.samples import proto_traces

TOKEN = "an-operator-token-of-length"
SETTINGS = settings_of("dashboard", "postgresql://nobody@127.0.0.1:1/no", operator_token=TOKEN)
OPERATOR = {"authorization": f"Bearer {TOKEN}"}
OURS = {name.lower(): value for name, value in ServiceCredential(SETTINGS).headers.items()}
GUESS = {"authorization": "Bearer a-guess"}
STRANGERS: tuple[dict[str, str], ...] = ({}, {"x-valerix-service": "a-guess"}, GUESS)


@pytest.fixture
async def receiver(memory: TelemetryStore) -> AsyncIterator[Receiver]:
    """A receiver as the dashboard of a shop with an operator token has it."""
    receiver = Receiver(memory, senders=AllowedSenders(SETTINGS, Brake()))
    yield receiver
    await receiver.close()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    """Where it is reached."""
    app = service_app(
        name="dashboard",
        title="Telemetry",
        settings=SETTINGS,
        registry=CollectorRegistry(),
        routes=receiver.routes(),
    )
    async with serve(app, SETTINGS) as url:
        yield url


async def post(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    """The status of sending one trace."""
    headers = {"content-type": "application/x-protobuf", **headers}
    body = proto_traces(1).SerializeToString()
    return (await client.post("/v1/traces", content=body, headers=headers)).status_code


async def test_only_the_shop_and_its_operator_may_send(url: str, memory: TelemetryStore):
    async with knock(url) as client:
        assert [await post(client, headers) for headers in STRANGERS] == [401, 401, 401]
        assert len(memory.traces) == 0
        assert [await post(client, headers) for headers in (OPERATOR, OURS)] == [200, 200]
        assert [await post(client, GUESS) for _ in range(12)].count(429) >= 2


async def test_over_grpc_too(receiver: Receiver, memory: TelemetryStore):
    port = free_port()
    async with (
        serving(receiver, "127.0.0.1", port),
        aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        traces = TraceServiceStub(channel)
        for headers in STRANGERS:
            with pytest.raises(aio.AioRpcError) as refused:
                await traces.Export(proto_traces(1), metadata=tuple(headers.items()))
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert len(memory.traces) == 0
        for headers in (OPERATOR, OURS):
            await traces.Export(proto_traces(1), metadata=tuple(headers.items()))
        assert len(memory.traces) == 2


async def test_our_own_processes_show_their_credential(url: str, memory: TelemetryStore):
    variables = {"VALERIX_OTLP_RECEIVER": url, "VALERIX_OPERATOR_TOKEN": TOKEN}
    spans, _ = make_senders(load("order", variables), "order-service")
    queue = BatchQueue("spans", spans)
    queue.start()
    span = Span(trace_id="a" * 32, span_id="b" * 16, name="x", kind=1, start_ns=1, end_ns=2)
    queue.add(span)
    await asyncio.to_thread(stop_all, [queue])
    assert (queue.dropped, len(memory.traces)) == (0, 1)
