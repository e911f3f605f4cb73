"""The wire between services, in one process: the real apps behind it, faults on every hop."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict

from chassis.http.asgi import App, Message
from chassis.http.outbound import Peer
from chassis.settings import Settings
from tests.chaos.faults import Dice, Fault
from tests.harness.customers import COPIED

# Late effects land before or after the caller's next try, by chance.
LATE_S = (0.05, 1.2)
_NOWHERE = ConnectionKey("nowhere", 0, False, True, None, None, None)


class Heard:
    """An answer, in the shape in which `Peer` reads one from aiohttp."""

    def __init__(self, status: int, headers: CIMultiDict[str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body
        self.content = self
        self.is_bug = status == 500 and b'"code":"internal"' in body

    async def read(self, _: int) -> bytes:
        """The whole body, once."""
        body, self._body = self._body, b""
        return body

    def at_eof(self) -> bool:
        """Whether the body has been read."""
        return not self._body


class Wire:
    """One hop, in place of aiohttp's session: it carries a request to `app`, or fails to."""

    def __init__(self, hop: str, app: Callable[[], App], dice: Dice) -> None:
        self._hop = hop
        self._app = app
        self._dice = dice
        # What is under way is nobody's to wait for: a server does not stop when a caller leaves.
        self.under_way: set[asyncio.Task[Heard]] = set()
        # Answers that admit a bug: chaos may make a service slow or absent, never confused.
        self.bugs = 0

    @asynccontextmanager
    async def request(
        self, method: str, url: str, *, data: bytes | None, headers: dict[str, str], **_: Any
    ) -> AsyncIterator[Heard]:
        """As `aiohttp.ClientSession.request`."""
        yield await self.carry(Call(method, url, data or b"", headers))

    async def close(self) -> None:
        """Nothing is held open."""

    async def carry(self, call: "Call") -> Heard:
        """Bring one call to the other side and its answer back, as far as fate lets it."""
        fault = self._dice.fault(self._hop)
        match fault:
            case Fault.NOT_SENT:
                raise aiohttp.ClientConnectorError(_NOWHERE, OSError("refused"))
            case Fault.REQUEST_LOST:
                await self._silence()
            case Fault.RESPONSE_LOST:
                await asyncio.wait([self.deliver(call)])
                await self._silence()
            case Fault.LATE:
                self.deliver(call, self._dice.stream(f"late {self._hop}").uniform(*LATE_S))
                await self._silence()
            case Fault.DUPLICATE:
                self.deliver(call, self._dice.stream(f"late {self._hop}").uniform(0, 0.2))
            case Fault.ERROR_BEFORE:
                return _error()
            case Fault.ERROR_AFTER:
                await asyncio.wait([self.deliver(call)])
                return _error()
        answering = self.deliver(call)
        await asyncio.wait([answering])
        if answering.cancelled() or answering.exception() is not None:
            raise aiohttp.ServerDisconnectedError
        heard = answering.result()
        if fault is Fault.DUPLICATE:
            heard.headers[COPIED] = "yes"
        return heard

    async def _silence(self) -> None:
        # A reset is noticed at once, a lost packet only by the caller's own deadline.
        if self._dice.stream(f"silence {self._hop}").random() < 0.5:
            raise aiohttp.ServerDisconnectedError
        await asyncio.sleep(3600)

    def deliver(self, call: "Call", after_s: float = 0.0) -> asyncio.Task[Heard]:
        """Set a call on its way, whether or not anybody waits for the answer."""

        async def serve() -> Heard:
            await asyncio.sleep(after_s)
            heard = await call.to(self._app())
            self.bugs += heard.is_bug
            return heard

        # A context of its own: trace and deadline cross the wire in headers or not at all.
        task = asyncio.create_task(serve(), context=contextvars.Context())
        self.under_way.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Heard]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a crash is told to the caller, as a cut connection


class Call:
    """One request, which can be delivered more than once."""

    def __init__(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> None:
        self._body = body
        self.method = method
        path, _, query = url.partition("//")[2].partition("/")[2].partition("?")
        self.path = f"/{path}"
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(self.path),
            "raw_path": self.path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"wire"),
                (b"content-length", str(len(body)).encode()),
                *((k.lower().encode(), v.encode()) for k, v in headers.items()),
            ],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 0),
        }

    async def to(self, app: App) -> Heard:
        """Deliver it; the answer, or whatever killed the one who should have given it."""
        asked = [{"type": "http.request", "body": self._body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Any:
            if asked:
                return asked.pop()
            return await asyncio.Event().wait()

        async def send(message: Message) -> None:
            sent.append(message)

        await app({**self._scope}, receive, send)
        if not sent or sent[0]["type"] != "http.response.start":
            raise aiohttp.ServerDisconnectedError
        headers = CIMultiDict((k.decode(), v.decode()) for k, v in sent[0]["headers"])
        body = b"".join(each.get("body", b"") for each in sent[1:])
        return Heard(sent[0]["status"], headers, body)


def _error() -> Heard:
    return Heard(500, CIMultiDict(), b'{"code":"gremlin"}')


class WirePeer(Peer):
    """The real `Peer` over a wire that fails: deadline, bulkhead and classification are its own."""

    def __init__(self, name: str, settings: Settings, wire: Wire) -> None:
        super().__init__(name, f"http://{name}", settings)
        self._wire = wire

    def _opened(self) -> Any:
        return self._wire
