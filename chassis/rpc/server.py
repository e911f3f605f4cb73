"""Serves an ASGI app's methods over gRPC, with the services for health and reflection."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.http.asgi import App
from chassis.http.problems import Problem
from chassis.rpc.bridge import Exchange, RpcRequest, RpcResponse
from chassis.rpc.listening import STATUS, add_port, address_of, new_server
from chassis.rpc.method import RpcMethod, methods_of
from chassis.rpc.status import TRAILER, status_of
from chassis.settings import RpcSettings, Settings

logger = logging.getLogger(__name__)

# The library has no types: what a handler is given is grpc.aio.ServicerContext.
Call = Any
Handler = Callable[[Any, Call], Awaitable[bytes]]
_WATCH_S = 1.0
_READY = "/health/ready"


@asynccontextmanager
async def serving(
    app: App, service: ServiceDescriptor, settings: RpcSettings
) -> AsyncIterator[int]:
    """Serve on `settings.grpc_port` while the block runs; yields the port, which 0 leaves to the
    system. Raises `OSError` or `RuntimeError` where it cannot be had."""
    server = new_server(
        longest=settings.body_limit_bytes,
        at_once=settings.max_in_flight,
        more=[
            ("grpc.max_metadata_size", settings.head_limit_bytes),
            ("grpc.absolute_max_metadata_size", settings.head_limit_bytes),
        ],
    )
    calls = _Calls(app, settings)
    handlers = {
        method.name.rpartition("/")[2]: grpc.stream_unary_rpc_method_handler(calls.handler(method))
        for method in methods_of(service)
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service.full_name, handlers),)
    )
    health_pb2_grpc.add_HealthServicer_to_server(_Health(app, service.full_name), server)
    names = (service.full_name, "grpc.health.v1.Health", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    bound = add_port(server, settings.host, settings.grpc_port)
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(settings.stop_grace_s)
        await calls.end()


class _Calls:
    """What is being served. A call whose caller has gone is finished all the same, as over HTTP:
    what it has begun must not be cut in two."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._body_timeout_s = settings.body_timeout_s
        self._running: set[asyncio.Task[RpcResponse]] = set()

    async def end(self) -> None:
        """Wait for those that their callers have left."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def handler(self, method: RpcMethod) -> Handler:
        # As a stream of requests, which looks the same on the wire: so we ask for the one message
        # ourselves, and no longer than it may take.
        async def handle(_: Any, call: Call) -> bytes:
            try:
                answer = await self._answer(await self._request(method, call))
            except Exception:  # nothing internal leaves the process
                logger.exception("a call of %s failed", method.name)
                answer = RpcResponse(500, {}, b"")
            call.set_trailing_metadata(tuple(answer.trailers))
            if answer.code == "OK":
                try:
                    if (message := method.write_response(answer.status, answer.body)) is not None:
                        return message
                except ValueError:
                    await call.abort(
                        grpc.StatusCode.INTERNAL, "The answer does not fit its message",
                        tuple(answer.trailers),
                    )  # fmt: skip
            return await _refuse(call, answer)

        return handle

    async def _request(self, method: RpcMethod, call: Call) -> RpcRequest:
        left_s = call.time_remaining()
        until = None if left_s is None else time.monotonic() + left_s
        path, body, refusal = method.template, b"", None
        try:
            path, body = method.read_request(await self._message(call))
        except Problem as problem:
            refusal = problem
        return RpcRequest(
            name=method.name, verb=method.verb, path=path, body=body, refusal=refusal,
            headers=tuple(call.invocation_metadata() or ()),
            client=(address_of(call.peer()), 0), until=until,
        )  # fmt: skip

    async def _message(self, call: Call) -> bytes:
        try:
            async with asyncio.timeout(self._body_timeout_s):
                message = await call.read()
        except TimeoutError:
            raise Problem(
                408, "request-timeout",
                f"The message did not arrive within {self._body_timeout_s:g} s", retryable=True,
            ) from None  # fmt: skip
        if message is aio.EOF:
            raise Problem(400, "malformed", "The call has no message")
        return bytes(message)

    async def _answer(self, request: RpcRequest) -> RpcResponse:
        exchange = Exchange(self._app, request)
        work = asyncio.create_task(exchange.run())
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            exchange.leave()
            raise


async def _refuse(call: Call, answer: RpcResponse) -> bytes:
    status = status_of(answer)
    trailers = (*answer.trailers, (TRAILER, status.SerializeToString()))
    if not answer.status:
        trailers = ()  # as when the connection breaks
    await call.abort(STATUS[status.code], status.message, trailers)
    raise AssertionError("abort raises")


class _Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # the library has no types
    """grpc.health.v1: as /health/ready says."""

    def __init__(self, app: App, service: str) -> None:
        self._app, self._known = app, ("", service)

    async def Check(self, request: Any, call: Call) -> Any:  # noqa: N802 - its name in the proto
        """SERVING or NOT_SERVING; NOT_FOUND for another service."""
        if request.service not in self._known:
            await call.abort(grpc.StatusCode.NOT_FOUND, "This process does not serve it")
        return health_pb2.HealthCheckResponse(status=await self._status())

    async def Watch(self, request: Any, call: Call) -> None:  # noqa: N802 - its name in the proto
        """The status now, and again whenever it is another."""
        before = None
        while True:
            now = await self._status() if request.service in self._known else 3
            if now != before:
                await call.write(health_pb2.HealthCheckResponse(status=now))
            before = now
            await asyncio.sleep(_WATCH_S)

    async def _status(self) -> int:
        asked = RpcRequest(name="grpc.health.v1.Health/Check", verb="GET", path=_READY)
        answer = await Exchange(self._app, asked).run()
        return 1 if answer.status == 200 else 2
