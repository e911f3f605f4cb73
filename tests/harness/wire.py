"""The wire without a client library's good manners: raw requests, and peers that misbehave."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def exchange(base_url: str, request: bytes, *, within_s: float = 10) -> httpx.Response:
    """Send these very bytes and read the one answer."""
    where = urlsplit(base_url)
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(request)
            return await read_answer(reader)
        finally:
            await hang_up(writer)


async def read_answer(reader: asyncio.StreamReader) -> httpx.Response:
    """One HTTP/1.1 answer with a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in head[1:] if line]
    answer = httpx.Response(int(head[0].split()[1]), headers=headers)  # type: ignore[arg-type]
    body = await reader.readexactly(int(answer.headers.get("content-length", 0)))
    return httpx.Response(answer.status_code, headers=answer.headers, content=body)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close, whatever state the connection is in."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def listen(handler: Handler) -> AsyncIterator[str]:
    """A server of raw TCP; yields its base URL. `handler` may do as it likes.

    It accepts by itself: asyncio's own forgets a connection that comes while it is closing."""
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()

    async def serve(peer: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=peer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    def accept() -> None:
        with suppress(BlockingIOError):
            task = loop.create_task(serve(listener.accept()[0]))
            connections.add(task)
            task.add_done_callback(connections.discard)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop.add_reader(listener, accept)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.remove_reader(listener)
            await asyncio.sleep(0)  # whoever was accepted just now begins, and so can be ended
            for task in connections:
                task.cancel()
            if connections:
                await asyncio.wait(connections)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request, as they came."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head + await reader.readexactly(length)


def responds(answer: bytes, *, then: Handler | None = None) -> Handler:
    """A peer that answers every request with these bytes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
            if then is not None:
                await then(reader, writer)

    return handler


def http(status: int, body: bytes, *headers: str, media_type: str = "application/json") -> bytes:
    """A well-formed answer."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A peer that promises an answer and sends one byte of it every tenth of a second."""
    await read_request(reader)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    )
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A peer that reads and never says a word."""
    while await reader.read(4096):
        pass


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A peer that takes the request and cuts the connection."""
    await read_request(reader)
    writer.transport.abort()
