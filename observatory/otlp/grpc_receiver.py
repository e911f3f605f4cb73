"""OTLP over gRPC: the same receiver behind another wire.

Imported only where it is used: it takes 22 MB (docs/decisions/0029)."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import grpc
from grpc import aio

from chassis.http.problems import Problem
from observatory import limits
from observatory.otlp.receiver import NO_METRICS, Receiver, late_body
from observatory.otlp.request import PROTOBUF, Signal, code_of

logger = logging.getLogger(__name__)

_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"
_SIGNALS: dict[str, Signal] = {"Trace": "traces", "Logs": "logs"}
_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_OPTIONS = (
    ("grpc.max_receive_message_length", limits.BODY_BYTES),
    # The library unpacks without a bound, so it does not: we do.
    ("grpc.per_message_decompression", 0),
    # Two servers on one port would each get a part of what is sent.
    ("grpc.so_reuseport", 0),
    # Of one connection; further requests wait in their sender.
    ("grpc.max_concurrent_streams", limits.REQUESTS_AT_ONCE),
)
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
    server = aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers(tuple(_handlers(receiver)))
    try:
        _demand_free(host, port)
        server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
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


def _demand_free(host: str, port: int) -> None:
    """Raise `OSError` where the port cannot be had, before the library logs it in its own way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _handlers(receiver: Receiver) -> list[grpc.GenericRpcHandler]:
    handlers = [_handler(name, _export(receiver, signal)) for name, signal in _SIGNALS.items()]
    return [*handlers, _handler("Metrics", _refuse_metrics)]


def _handler(name: str, export: Export) -> grpc.GenericRpcHandler:
    # As a stream of requests, which looks the same on the wire: so we ask for the one message, once
    # there is a place for it, and no longer than it may take.
    method = grpc.stream_unary_rpc_method_handler(export)
    package = {"Trace": "trace", "Logs": "logs", "Metrics": "metrics"}[name]
    return grpc.method_handlers_generic_handler(_SERVICE.format(package, name), {"Export": method})


def _export(receiver: Receiver, signal: Signal) -> Export:
    async def export(_: Any, call: Call) -> bytes:
        try:
            receiver.demand_right(dict(call.invocation_metadata()), _address_of(call.peer()))
            with receiver.place() as body:
                receiver.add(body, await _message(call))
                packed = bytes(body)
                return await receiver.receive(signal, packed, PROTOBUF, _encoding_of(packed))
        except Exception as error:  # noqa: BLE001 - as over HTTP: every refusal has its code
            problem = receiver.note_refusal(error)
        return bytes(await call.abort(_STATUS[code_of(problem.status)], problem.detail))

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


def _address_of(peer: str) -> str:
    """The address in what the library calls a peer: ipv4:127.0.0.1:4317, ipv6:%5B::1%5D:4317."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _encoding_of(message: bytes) -> str:
    return next((name for begins, name in _PACKED if message.startswith(begins)), "")


async def _refuse_metrics(_: Any, call: Call) -> bytes:
    return bytes(await call.abort(grpc.StatusCode.UNIMPLEMENTED, NO_METRICS))
