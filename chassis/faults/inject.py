"""What each kind of gremlin does to a request, at the wire, where the real fault would be."""

import asyncio
from collections.abc import Callable

from chassis.faults.gremlins import Active, Gremlins
from chassis.http.asgi import App, Message, Receive, Scope, Send
from chassis.http.problems import MEDIA_TYPE, Problem

_HANG_CHECK_S = 0.25


class CallerLeft(Exception):
    """The caller closed the connection before the work began; nothing was executed."""


class Dropped(Exception):
    """The connection was cut on purpose; there is no answer."""


async def suffer(
    app: App,
    scope: Scope,
    receive: Receive,
    send: Send,
    bites: list[Active],
    gremlins: Gremlins,
) -> None:
    """Run `app` for one bitten request. Raises `CallerLeft` or `Dropped` instead of answering."""
    for bite in bites:
        gremlins.mark(bite.view)
    by_kind = {bite.view.kind: bite for bite in bites}
    body = await _read(receive)
    await _before(scope, receive, bites, gremlins)
    if error := by_kind.get("error"):
        await _answer_error(send, error)
        return
    held = _Held()
    holding = "late" in by_kind or "lost_response" in by_kind
    work = [app(scope, _replay(body, receive), held.take if holding else send)]
    if "duplicate" in by_kind:
        # Its answer goes nowhere, and it has a scope of its own, like a second delivery would:
        # the framework keeps in `state` whether a response has started.
        second = {**scope, "state": dict(scope.get("state") or {})}
        work.append(app(second, _replay(body, receive), _Held().take))
    await asyncio.gather(*work)
    if late := by_kind.get("late"):
        await asyncio.sleep(late.delay_s)
    if "lost_response" in by_kind:
        await _cut(scope, receive)
    for message in held.messages:
        await send(message)


async def _before(scope: Scope, receive: Receive, bites: list[Active], gremlins: Gremlins) -> None:
    """The bites that come before the work; they may end the request."""
    for bite in bites:
        if bite.view.kind == "refuse":
            await _cut(scope, receive)
        elif bite.view.kind == "hang":
            await _hang(scope, receive, gremlins, bite)
        elif bite.view.kind == "latency":
            await _sleep(receive, bite.delay_s)


class _Held:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def take(self, message: Message) -> None:
        self.messages.append(message)


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerLeft
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    delivered = False

    async def replay() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _sleep(receive: Receive, delay_s: float) -> None:
    """Sleep, unless the caller leaves first: then the work it no longer wants is not begun."""
    leaving = asyncio.ensure_future(receive())
    done, _ = await asyncio.wait({leaving}, timeout=delay_s)
    if done:
        raise CallerLeft
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)


async def _hang(scope: Scope, receive: Receive, gremlins: Gremlins, bite: Active) -> None:
    leaving = asyncio.ensure_future(receive())
    try:
        while gremlins.is_loose(bite.view.name):
            if (await asyncio.wait({leaving}, timeout=_HANG_CHECK_S))[0]:
                raise CallerLeft
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    await _cut(scope, receive)


async def _cut(scope: Scope, receive: Receive) -> None:
    extensions = scope.get("extensions") or {}
    abort: Callable[[], None] | None = extensions.get("valerix.abort")
    if abort is not None:
        abort()
        # The server must have noticed, or it takes the missing answer for a crash.
        while (await receive())["type"] != "http.disconnect":
            pass
    raise Dropped


async def _answer_error(send: Send, bite: Active) -> None:
    problem = Problem(
        bite.view.status,
        "gremlin",
        f"The gremlin {bite.view.name} refused this request on purpose",
        details={"gremlin": bite.view.name},
        retryable=True,
    )
    await answer(send, problem)


async def answer(send: Send, problem: Problem) -> None:
    """Send a problem document straight from the edge."""
    body = problem.body()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in problem.headers.items()},
    }
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
