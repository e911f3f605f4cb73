"""OTLP over gRPC: the same receiver behind another wire.

Imported only where it is used: it takes 22 MB (docs/decisions/0029)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from chassis.http.problems import Problem
from chassis.rpc.listening import STATUS, add_port, address_of, new_server
from observatory import limits
from observatory.otlp.receiver import Receiver, late_body
from observatory.otlp.request import PROTOBUF, Signal, code_of

logger = logging.getLogger(__name__)

_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"
_SIGNALS: dict[str, Signal] = {"Trace": "traces", "Logs": "logs", "Metrics": "metrics"}
_STOP_S = 1.0
# A message is packed if it begins so: an export request begins with 0x0a, its first field.
_PACKED = ((b"\x1f\x8b", "gzip"), (b"\x78", "deflate"))

# The library has no types: what a handler is given is grpc.aio.ServicerContext.
Call = Any
Export = Callable[[Any, Call], Awaitable[bytes]]


@asynccontextmanager
async def serving(receiver: Receiver, host: str, port: int) -> AsyncIterator[None]:
    """Receive on this port while the block runs. A port that cannot be had costs gRPC alone, and is
    logged."""
    server = new_server(longest=limits.BODY_BYTES, at_once=limits.REQUESTS_AT_ONCE)
    server.add_generic_rpc_handlers(tuple(_handlers(receiver)))
    try:
        add_port(server, host, port)
    except (OSError, RuntimeError) as error:
        logger.error(
            "OTLP over gRPC is not received: port %d on %s cannot be used (%s); "
            "set VALERIX_OTLP_GRPC_PORT to another",
            port, host, getattr(error, "strerror", None) or error,
        )  # fmt: skip
        yield
        return
    await server.start()
    try:
        yield
    finally:
        await server.stop(_STOP_S)


def _handlers(receiver: Receiver) -> list[grpc.GenericRpcHandler]:
    return [_handler(name, _export(receiver, signal)) for name, signal in _SIGNALS.items()]


def _handler(name: str, export: Export) -> grpc.GenericRpcHandler:
    # As a stream of requests, which looks the same on the wire: so we ask for the one message, once
    # there is a place for it, and no longer than it may take.
    method = grpc.stream_unary_rpc_method_handler(export)
    package = {"Trace": "trace", "Logs": "logs", "Metrics": "metrics"}[name]
    return grpc.method_handlers_generic_handler(_SERVICE.format(package, name), {"Export": method})


def _export(receiver: Receiver, signal: Signal) -> Export:
    async def export(_: Any, call: Call) -> bytes:
        try:
            receiver.demand_right(dict(call.invocation_metadata()), address_of(call.peer()))
            with receiver.place() as body:
                receiver.add(body, await _message(call))
                packed = bytes(body)
                return await receiver.receive(signal, packed, PROTOBUF, _encoding_of(packed))
        except Exception as error:  # noqa: BLE001 - as over HTTP: every refusal has its code
            problem = receiver.note_refusal(error)
        return bytes(await call.abort(STATUS[code_of(problem.status)], problem.detail))

    return export


async def _message(call: Call) -> bytes:
    try:
        async with asyncio.timeout(limits.BODY_S):
            message = await call.read()
    except TimeoutError:
        raise late_body() from None
    if message is aio.EOF:
        raise Problem(400, "malformed", "The request has no message")
    return bytes(message)


def _encoding_of(message: bytes) -> str:
    return next((name for begins, name in _PACKED if message.startswith(begins)), "")
