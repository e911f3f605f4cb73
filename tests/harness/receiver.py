"""A merchant's receiver: keeps what it was sent, and answers as the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

_ANSWER = "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n{more}\r\n"


class Message(NamedTuple):
    """What came: the headers in small letters, and the body's bytes."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """`answers` are the next ones, 204 when they run out: a status, with more headers after it, or
    "silence", "endless" (a body without an end)."""

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[Message] = []
        self.answers: list[str] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head if line)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            self.messages.append(Message(headers, body))
            await self._answer(writer, self.answers.pop(0) if self.answers else "204")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender gave up
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, answer: str) -> None:
        if answer == "silence":
            await asyncio.sleep(3600)
        status, _, more = answer.partition(" ")
        if answer == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"1\r\nx\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.write(_ANSWER.format(status=status, more=more and f"{more}\r\n").encode())
        await writer.drain()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """One on a free port of loopback."""
    made = Receiver()
    working: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        working.add(asyncio.create_task(made.take(reader, writer)))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield made
    finally:
        server.close()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
