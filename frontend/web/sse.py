"""Server-sent nudges: only the name of what changed, so a browser knows which panel to fetch."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import FrameType

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from chassis.http.problems import shed
from chassis.identity.owners import FOR_SHOPPERS
from frontend.web.responses import HEADERS

TOPICS = ("health", "metrics", "flow", "shop", "gremlins", "proof", "traces", "logs", "acts")
# A tab each; past this a browser falls back to asking every five seconds by itself.
MOST_LISTENERS = 64
# A line now and then keeps proxies from closing the stream, and notices a browser that left.
HEARTBEAT_S = 10.0
# A stream ends by itself after this and the browser comes back, so a forgotten one costs little.
LIFE_S = 600.0


class TooManyListeners(Exception):
    """Every place is taken."""


class Listener:
    """One browser's queue: a set of topics, so it can hold each of them at most once."""

    def __init__(self) -> None:
        self._due: set[str] = set()
        self._ready = asyncio.Event()

    def nudge(self, topic: str) -> None:
        """Something changed; a slow browser hears of it once, not once per change."""
        self._due.add(topic)
        self._ready.set()

    async def wait(self, timeout_s: float) -> list[str]:
        """The topics that changed since the last call; empty after `timeout_s` of quiet."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            return []
        due = sorted(self._due)
        self._due.clear()
        self._ready.clear()
        return due


class Hub:
    """Passes nudges from the feeds to every listening browser."""

    def __init__(self, most: int = MOST_LISTENERS) -> None:
        self._most = most
        self._listeners: set[Listener] = set()
        self._closing = False
        self.nudges = 0

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def nudge(self, topic: str) -> None:
        """Notify every listener that `topic` changed. Never blocks."""
        self.nudges += 1
        for listener in self._listeners:
            listener.nudge(topic)

    def close(self) -> None:
        """End every stream, so that a stopping server need not wait for open tabs."""
        self._closing = True
        self.nudge("close")

    def listen(self) -> Listener:
        """Take a place, or raise `TooManyListeners`. Give it back with `leave`."""
        if len(self._listeners) >= self._most:
            raise TooManyListeners
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Give the place back."""
        self._listeners.discard(listener)

    async def stream(self, listener: Listener) -> AsyncIterator[bytes]:
        """The event stream of one browser."""
        ends_at = asyncio.get_running_loop().time() + LIFE_S
        try:
            # Everything once: whatever happened before the browser listened.
            yield b"retry: 2000\n\n" + b"".join(_event(topic) for topic in TOPICS)
            while not self._closing and asyncio.get_running_loop().time() < ends_at:
                due = await listener.wait(HEARTBEAT_S)
                yield b"".join(_event(topic) for topic in due if topic in TOPICS) or b": quiet\n\n"
        finally:
            self.leave(listener)


@contextmanager
def closing_on_stop(hub: Hub) -> Iterator[None]:
    """Closes the hub when the process is signalled to stop, then passes the signal to the server.

    A server that stops waits for open responses before its lifespan ends, and a stream never ends
    by itself: without this, one open tab costs the whole grace period and an error in the log."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    earlier = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(hub.close)
        following = earlier[signal.Signals(number)]
        if callable(following):
            following(number, frame)

    ours = [number for number, handler in earlier.items() if callable(handler)]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is stop:
                signal.signal(number, earlier[number])


def _event(topic: str) -> bytes:
    # A browser drops an event without a data field; an empty one is enough.
    return f"event: {topic}\ndata:\n\n".encode()


def nudge_routes(hub: Hub) -> list[HTTPRouteHandler]:
    """GET /nudges: which panel changed, as long as there is a place at the stream."""

    @get(
        "/nudges",
        summary="Nudges: which panel changed",
        include_in_schema=False,
        opt=FOR_SHOPPERS,
    )
    async def show_events() -> Stream:
        try:
            listener = hub.listen()
        except TooManyListeners:
            raise shed("Every place at the stream is taken; panels still refresh") from None
        return Stream(
            hub.stream(listener),
            media_type="text/event-stream",
            headers={**HEADERS, "X-Accel-Buffering": "no"},
        )

    return [show_events]
