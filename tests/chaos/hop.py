"""A hop that a library crosses on its own connections: a real socket, and our wire behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, get_args

import aiohttp

from chassis.http.outbound import Peer
from chassis.settings import Settings
from fleet.ports import free_port
from services.order.settings import OrderSettings
from services.payment.client import payment_over_grpc
from tests.chaos.wire import Call, Wire, WirePeer
from tests.harness.serving import serve

Transport = Literal["http", "grpc"]
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
_OWN = (b"host", b"content-length", b"connection", b"transfer-encoding")


class Hop:
    """An ASGI app that hands each request to a wire. What the wire does not bring back at once, the
    caller waits for as long as it likes; where the other side died, its connection is cut."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @asynccontextmanager
    async def served(self, settings: Settings) -> AsyncIterator[str]:
        """Its base URL while it is open."""
        async with serve(self, settings) as url:
            yield url

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        carrying = asyncio.create_task(self._wire.carry(await _call(scope, receive)))
        leaving = asyncio.create_task(_until_left(receive))
        try:
            await asyncio.wait([carrying, leaving], return_when=asyncio.FIRST_COMPLETED)
            if carrying.done():
                await _answer(carrying, send)
        finally:
            carrying.cancel()
            leaving.cancel()
            await asyncio.gather(carrying, leaving, return_exceptions=True)


def payments_over(transport: Transport, wire: Wire, settings: OrderSettings) -> "tuple[Peer, int]":
    """The payment service as an order asks it, with the wire on the way; and the port at which the
    wire is to be found, where that is a real one."""
    if transport == "http":
        return WirePeer("payment-service", settings, wire), 0
    port = free_port()
    nowhere, there = "http://127.0.0.1:9", f"http://127.0.0.1:{port}"
    return payment_over_grpc(nowhere, there, settings, connections=settings.peer_connections), port


async def _live(receive: Any, send: Any) -> None:
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})


async def _call(scope: Any, receive: Any) -> Call:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    query = scope["query_string"].decode()
    target = scope["path"] + (f"?{query}" if query else "")
    headers = {k.decode(): v.decode() for k, v in scope["headers"] if k.lower() not in _OWN}
    return Call(scope["method"], f"http://hop{target}", body, headers)


async def _until_left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(carrying: "asyncio.Task[Any]", send: Any) -> None:
    try:
        heard = carrying.result()
    except (aiohttp.ClientError, OSError):
        # Half an answer: a server can cut a connection in no other way.
        await send({"type": "http.response.start", "status": 502, "headers": []})
        return
    headers = [
        (k.encode(), v.encode())
        for k, v in heard.headers.items()
        if k.lower() not in ("content-length", "transfer-encoding")
    ]
    body = await heard.read(-1)
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": heard.status, "headers": headers})
    with contextlib.suppress(OSError):
        await send({"type": "http.response.body", "body": body})
