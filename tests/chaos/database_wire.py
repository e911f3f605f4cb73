"""Between the services and PostgreSQL: where a statement, or its acknowledgement, gets lost.

Speaks just enough of PostgreSQL's protocol to know the messages that do something (Query, Execute)
and where an answer ends (ReadyForQuery)."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

# What the wire does: the statement never arrives, it is done and its acknowledgement is lost, or
# the connection is cut in the middle of it.
_LOST, _UNHEARD, _CUT = "statement lost", "acknowledgement lost", "cut in the middle"
_FAULTS = (_LOST, _UNHEARD, _CUT)
_DOES_SOMETHING, _READY = (b"Q", b"E"), b"Z"
_SOCKET = ".s.PGSQL.5432"


class DatabaseWire:
    """A socket beside the server's. `share` of the statements meet a fault until it is healed."""

    def __init__(
        self, database_url: str, folder: Path, chance: random.Random, share: float
    ) -> None:
        parts = urlsplit(database_url)
        self._server = Path(parse_qs(parts.query)["host"][0]) / _SOCKET
        self._folder, self._chance, self._share = folder, chance, share
        self.url = urlunsplit(parts._replace(query=f"host={folder}"))
        self.faults: Counter[str] = Counter()

    def heal(self) -> None:
        """From now on every statement arrives, and so does its answer."""
        self._share = 0.0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        server = await asyncio.start_unix_server(self._serve, self._folder / _SOCKET)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there = await asyncio.open_unix_connection(self._server)
            call = _Call(_Wire(reader, writer), _Wire(*there), self._fault)
            await call.carry()
            there[1].close()
        writer.close()

    def _fault(self) -> str:
        if self._chance.random() >= self._share:
            return ""
        fault = self._chance.choice(_FAULTS)
        self.faults[fault] += 1
        return fault


class _Call:
    """One connection of a service, carried until one end leaves or a fault ends it."""

    def __init__(self, client: "_Wire", server: "_Wire", fault: Callable[[], str]) -> None:
        self._client, self._server, self._fault = client, server, fault
        self._is_unheard = False

    async def carry(self) -> None:
        ways = [asyncio.create_task(way()) for way in (self._requests, self._answers)]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self) -> None:
        self._server.send(await self._client.start_up())
        while True:
            message = await self._client.message()
            fault = self._fault() if message[:1] in _DOES_SOMETHING else ""
            if fault == _LOST:
                return
            if fault == _CUT:
                self._server.send(message[: len(message) // 2])
                await self._server.flush()
                return
            self._is_unheard = self._is_unheard or fault == _UNHEARD
            self._server.send(message)

    async def _answers(self) -> None:
        while True:
            message = await self._server.message()
            if not self._is_unheard:
                self._client.send(message)
            elif message[:1] == _READY:
                return


class _Wire:
    """One end: whole messages in, bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def start_up(self) -> bytes:
        """The first message, which has no type."""
        length = await self._reader.readexactly(4)
        return length + await self._reader.readexactly(int.from_bytes(length) - 4)

    async def message(self) -> bytes:
        """The next message; raises when the end has left."""
        head = await self._reader.readexactly(5)
        return head + await self._reader.readexactly(int.from_bytes(head[1:]) - 4)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def flush(self) -> None:
        await self._writer.drain()
