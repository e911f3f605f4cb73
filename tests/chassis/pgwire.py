"""A wire to PostgreSQL that can be cut, frozen, or made to swallow one answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit, urlunsplit

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PgWire:
    """Forwards bytes between a service and the server, until told otherwise."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._listening: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        # The next request that holds these bytes is carried out, and its answer never arrives.
        self.swallow_answer_to: bytes | None = None
        # The next request that holds these bytes is answered, and no other after it.
        self.gone_after: bytes | None = None
        self._gone = False

    @property
    def url(self) -> str:
        """The server's URL through this wire."""
        where = urlsplit(self._server_url)
        user = where.netloc.rpartition("@")[0]
        netloc = f"{user}@127.0.0.1:{self._port}" if user else f"127.0.0.1:{self._port}"
        return urlunsplit(where._replace(netloc=netloc, query="sslmode=disable"))

    async def mend(self) -> None:
        """Let connections through (again)."""
        self._gone = False
        if self._listening is None:
            self._listening = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
            self._port = self._listening.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection; new ones are still let through."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def take_away(self) -> None:
        """As if PostgreSQL were gone: connections break, new ones are refused."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        self.cut()
        await asyncio.sleep(0)

    def freeze(self) -> None:
        """As if PostgreSQL were stopped in mid-air: connections stay and nothing moves."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let it flow again."""
        self._flowing.set()

    async def close(self) -> None:
        """End everything."""
        await self.take_away()
        self.thaw()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError, asyncio.CancelledError):
                answers, upstream = await self._reach()
                self._writers.add(upstream)
                async with asyncio.TaskGroup() as group:
                    asking = group.create_task(self._ask(reader, upstream, writer))
                    await self._answer(answers, writer)
                    asking.cancel()
        finally:
            for each in (writer, upstream):
                if each is not None:
                    each.transport.abort()
                    self._writers.discard(each)
            self._tasks.discard(task)

    async def _reach(self) -> _Streams:
        where = urlsplit(self._server_url)
        folder = parse_qs(where.query).get("host")
        if folder:
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.5432")
        return await asyncio.open_connection(where.hostname, where.port or 5432)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flowing.wait()
                if self.swallow_answer_to and self.swallow_answer_to in data:
                    self.swallow_answer_to = None
                    self._deaf.add(back)
                    upstream.write(data)
                    await asyncio.sleep(0.05)
                    back.transport.abort()
                    return
                if self._gone:
                    back.transport.abort()
                    return
                upstream.write(data)
                if self.gone_after and self.gone_after in data:
                    self.gone_after, self._gone = None, True
            upstream.close()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await answers.read(65_536):
                await self._flowing.wait()
                if writer not in self._deaf and not writer.is_closing():
                    writer.write(data)


@asynccontextmanager
async def wire_to(server_url: str) -> AsyncIterator[PgWire]:
    """A wire that works."""
    wire = PgWire(server_url)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.close()
