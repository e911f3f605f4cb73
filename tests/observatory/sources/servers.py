"""Servers that send what a test wants, over real HTTP, well or badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """A server whose every path is answered by `answer`; yields its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def sends(body: bytes | str, *, status: int = 200) -> Answer:
    """Always this."""
    text = body.encode() if isinstance(body, str) else body

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=text, status=status, content_type="application/json")

    return answer


async def hangs(_: web.Request) -> web.StreamResponse:
    """Accepts the request and never responds."""
    await asyncio.sleep(60)
    return web.Response()


async def trickles(request: web.Request) -> web.StreamResponse:
    """A byte now and then: no single read ever times out."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def floods(request: web.Request) -> web.StreamResponse:
    """Sends without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * (1 << 20))


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"result": ')
    assert request.transport is not None
    request.transport.abort()
    return response


BAD: dict[str, tuple[Answer, str]] = {
    "hangs": (hangs, "does not answer in time"),
    "trickles": (trickles, "does not answer in time"),
    # On a busy machine time is up first.
    "floods": (floods, "sent more than 16 MiB at once|does not answer in time"),
    "hangs up": (hangs_up, "closed the connection"),
    "500": (sends("no", status=500), r"answers with an error \(500\)"),
    "302": (sends("", status=302), r"answers with an error \(302\)"),
    "401": (sends("", status=401), r"answers with an error \(401\)"),
    "empty": (sends(""), "sent a response that cannot be read"),
    "html": (sends("<html>not found</html>"), "sent a response that cannot be read"),
    "cut": (
        sends('{"result": {"resourceSpans": [{"resource": '),
        "sent a response that cannot be read",
    ),
    "a list": (sends("[]"), "sent a response that cannot be read"),
    "null": (sends("null"), "sent a response that cannot be read"),
    "other types": (sends('{"result": 3, "data": 3}'), "sent a response that cannot be read"),
    "no utf-8": (
        sends(b'{"result": "\xff", "data": {"result": "\xff"}}'),
        "sent a response that cannot be read",
    ),
    "depths": (sends('{"data": ' * 50_000), "sent a response that cannot be read"),
}
