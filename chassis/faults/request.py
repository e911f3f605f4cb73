"""One request under a gremlin: what a fault can do to it at the wire, where a real one would be."""

import asyncio
from collections.abc import Callable

import msgspec

from chassis.http.asgi import App, Message, Receive, Scope, Send
from chassis.http.problems import Problem, send_problem

_LOOK_EVERY_S = 0.25


class CallerLeft(Exception):
    """The caller closed the connection before the work began; nothing was executed."""


class Dropped(Exception):
    """The connection was cut on purpose; there is no response."""


class Bite(msgspec.Struct, frozen=True):
    """A gremlin that bites one request: its name, what it was given, whether it is still loose."""

    name: str
    status: int
    delay_s: float
    is_loose: Callable[[], bool]


class FaultyRequest:
    """A request with its body read, so that it can be delayed, cut, answered or delivered twice.

    `held` collects the response's messages for faults that come after the work."""

    def __init__(self, app: App, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body = body
        # As it was before any work: the framework keeps in `state` how far a response is, and a
        # second delivery that shared it would be taken for the same one.
        self._state = dict(scope.get("state") or {})
        self.held: list[Message] = []

    @classmethod
    async def read(cls, app: App, scope: Scope, receive: Receive, send: Send) -> "FaultyRequest":
        """Read the body. Raises `CallerLeft`."""
        parts = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise CallerLeft
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return cls(app, scope, receive, send, b"".join(parts))

    async def serve(self, *, hold: bool) -> None:
        """Do the work; with `hold` the response is kept back until `release`."""
        await self._app(self._scope, self._replayed(), self._hold if hold else self._send)

    async def serve_again(self) -> None:
        """Do the work once more, as a second delivery would; its response is discarded."""
        await self._app({**self._scope, "state": dict(self._state)}, self._replayed(), _discard)

    async def release(self) -> None:
        """Send what was held."""
        for message in self.held:
            await self._send(message)

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Replace the body of the response that is held, and say its new length."""
        body = b"".join(message.get("body", b"") for message in self.held)
        changed = change(body)
        if changed == body:
            return
        begin = next(each for each in self.held if each["type"] == "http.response.start")
        headers = [each for each in begin["headers"] if each[0].lower() != b"content-length"]
        length = (b"content-length", str(len(changed)).encode())
        self.held = [
            {**begin, "headers": [*headers, length]},
            {"type": "http.response.body", "body": changed, "more_body": False},
        ]

    async def answer(self, problem: Problem) -> None:
        """Answer with a problem, without any work."""
        await send_problem(self._send, problem)

    async def sleep(self, delay_s: float) -> None:
        """Sleep, unless the caller leaves first: then the work it no longer wants is not begun."""
        if await self._caller_leaves_within(delay_s):
            raise CallerLeft

    async def hang(self, is_loose: Callable[[], bool]) -> None:
        """Neither work nor answer, for as long as the gremlin is loose; then cut the connection."""
        while is_loose():
            await self.sleep(_LOOK_EVERY_S)
        await self.cut()

    async def cut(self) -> None:
        """Break the connection. Raises `Dropped`."""
        extensions = self._scope.get("extensions") or {}
        abort: Callable[[], None] | None = extensions.get("valerix.abort")
        if abort is not None:
            abort()
            # The server must have noticed, or it takes the missing response for a crash.
            while (await self._receive())["type"] != "http.disconnect":
                pass
        raise Dropped

    async def _caller_leaves_within(self, delay_s: float) -> bool:
        leaving = asyncio.ensure_future(self._receive())
        try:
            done, _ = await asyncio.wait({leaving}, timeout=delay_s)
            return bool(done)
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def _hold(self, message: Message) -> None:
        self.held.append(message)

    def _replayed(self) -> Receive:
        delivered = False

        async def replay() -> Message:
            nonlocal delivered
            if delivered:
                return await self._receive()
            delivered = True
            return {"type": "http.request", "body": self._body, "more_body": False}

        return replay


async def _discard(message: Message) -> None:
    """Nobody hears the response of a second delivery."""
