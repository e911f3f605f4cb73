"""A payment service over gRPC: what it says of itself, of a call, and of what cannot be meant."""

import gzip
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.telemetry import recording
from chassis.telemetry.context import SERVER, Span
from services.payment.app import create_app
from tests.harness.serving import serve, serve_rpc, settings_of
from valerix.payment.v1.payment_service_pb2 import (
    ChargeOrderRequest,
    GetRequest,
    ProcessPaymentRequest,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICE = "/valerix.payment.v1.PaymentService"
PAYMENT = ProcessPaymentRequest(request_id="r", merchant_id="m1", amount=100, currency="EUR")
# Field 99, a number.
UNKNOWN_FIELD = b"\x98\x06\x01"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(module_database: str) -> AsyncIterator[aio.Channel]:
    """A connection to a payment service."""
    settings = settings_of("payment", module_database, body_timeout_s=0.3)
    app = create_app(settings)  # type: ignore[arg-type]
    any_size = [("grpc.max_send_message_length", -1), ("grpc.max_metadata_size", 1 << 20)]
    async with (
        serve(app, settings),
        serve_rpc(app) as url,
        aio.insecure_channel(urlsplit(url).netloc, options=any_size) as channel,
    ):
        yield channel


def _long() -> bytes:
    return ProcessPaymentRequest(request_id="x" * 70_000).SerializeToString()


def _changed(**fields: Any) -> bytes:
    changed = ProcessPaymentRequest()
    changed.MergeFrom(PAYMENT)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed.SerializeToString()


@pytest.mark.parametrize(
    ("method", "message", "code", "problem"),
    [
        ("ProcessPayment", b"\xff\xff", "INVALID_ARGUMENT", "malformed"),
        ("ProcessPayment", gzip.compress(PAYMENT.SerializeToString(), mtime=0), "INVALID_ARGUMENT",
         "malformed"),
        ("ProcessPayment", PAYMENT.SerializeToString() + UNKNOWN_FIELD, "INVALID_ARGUMENT",
         "validation"),
        ("ProcessPayment", _changed(amount=0), "INVALID_ARGUMENT", "validation"),
        ("ProcessPayment", _changed(amount=-(2**63)), "INVALID_ARGUMENT", "validation"),
        ("ProcessPayment", _changed(currency="XXX"), "INVALID_ARGUMENT", "validation"),
        ("ProcessPayment", _changed(request_id="a\0b"), "INVALID_ARGUMENT", "malformed"),
        ("ProcessPayment", b"", "INVALID_ARGUMENT", "validation"),
        ("ProcessPayment", _changed(merchant_id="nobody"), "NOT_FOUND", "merchant-not-found"),
        ("ProcessPayment", _long(), "RESOURCE_EXHAUSTED", ""),
        ("Get", GetRequest(payment_id="../gremlins").SerializeToString(), "INVALID_ARGUMENT",
         "validation"),
        ("Get", GetRequest(payment_id="x/cancel").SerializeToString(), "INVALID_ARGUMENT",
         "validation"),
        ("Get", b"", "INVALID_ARGUMENT", "validation"),
        ("ChargeOrder", ChargeOrderRequest(order_id="x").SerializeToString(), "INVALID_ARGUMENT",
         "validation"),
        ("Nothing", b"", "UNIMPLEMENTED", ""),
    ],
)  # fmt: skip
async def test_bad_input_has_a_clear_code(
    channel: aio.Channel, method: str, message: bytes, code: str, problem: str
):
    with pytest.raises(aio.AioRpcError) as refused:
        await channel.unary_unary(f"{SERVICE}/{method}")(message, timeout=20)
    assert refused.value.code().name == code
    trailers = dict(refused.value.trailing_metadata() or ())
    assert trailers.get("x-valerix-problem", "") == problem


async def test_a_number_that_json_does_not_have_is_refused(channel: aio.Channel):
    odd = ProcessPaymentRequest()
    odd.MergeFrom(PAYMENT)
    odd.metadata["share"].number_value = float("inf")
    with pytest.raises(aio.AioRpcError) as refused:
        await channel.unary_unary(f"{SERVICE}/ProcessPayment")(odd.SerializeToString(), timeout=20)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_that_does_not_come_is_not_waited_for(channel: aio.Channel):
    call = channel.stream_unary(f"{SERVICE}/ProcessPayment")(timeout=20)
    with pytest.raises(aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert dict(refused.value.trailing_metadata() or ())["x-valerix-problem"] == "request-timeout"


async def test_two_keys_are_none(channel: aio.Channel):
    twice = (
        ("idempotency-key", "the first of the keys"),
        ("idempotency-key", "the second of them"),
    )
    order = ChargeOrderRequest(
        order_id="00000000-0000-4000-8000-000000000001", amount_minor=1, currency="EUR"
    )
    call = channel.unary_unary(f"{SERVICE}/ChargeOrder")
    with pytest.raises(aio.AioRpcError) as refused:
        await call(order.SerializeToString(), metadata=tuple(twice), timeout=20)
    trailers = dict(refused.value.trailing_metadata() or ())
    assert trailers["x-valerix-problem"] == "idempotency-key-invalid"


async def test_it_says_how_it_is_and_what_it_serves(channel: aio.Channel):
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE[1:]):
        asked = health_pb2.HealthCheckRequest(service=name)
        answer = await health.Check(asked, timeout=20)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(aio.AioRpcError) as refused:
        await health.Check(health_pb2.HealthCheckRequest(service="another"), timeout=20)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asking = stub.ServerReflectionInfo(timeout=20)
    await asking.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await asking.read()
    await asking.done_writing()
    names = {each.name for each in listed.list_services_response.service}
    assert names >= {SERVICE[1:], "grpc.health.v1.Health"}


async def test_a_call_has_the_span_of_a_call(channel: aio.Channel, monkeypatch: pytest.MonkeyPatch):
    spans: list[Span] = []
    monkeypatch.setattr(recording, "record", spans.append)
    parent = Span(trace_id="1" * 32, span_id="2" * 16, name="the caller", kind=3)
    unknown = GetRequest(payment_id="00000000-0000-4000-8000-00000000000f")
    with pytest.raises(aio.AioRpcError):
        await channel.unary_unary(f"{SERVICE}/Get")(
            unknown.SerializeToString(), timeout=20, metadata=tuple(parent.headers.items())
        )
    (span,) = [each for each in spans if each.kind == SERVER]
    assert (span.name, span.trace_id) == (f"{SERVICE[1:]}/Get", parent.trace_id)
    assert span.parent_id == parent.span_id
    found = {name: value for name, value in span.attributes.items() if name.startswith("rpc.")}
    assert found == {
        "rpc.system.name": "grpc",
        "rpc.method": f"{SERVICE[1:]}/Get",
        "rpc.response.status_code": "NOT_FOUND",
    }
