"""Bounds the time and the size of a request's body, whoever reads it."""

import asyncio

from chassis.http.asgi import Message, Receive
from chassis.http.problems import Problem


def capped(receive: Receive, limit: int) -> Receive:
    """The framework limits only what it reads itself; a gremlin reads the body before it."""
    size = 0

    async def receive_capped() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise Problem(413, "too-large", f"A body has at most {limit} bytes")
        return message

    return receive_capped


def timed(receive: Receive, timeout_s: float) -> Receive:
    """The whole body has `timeout_s`: a deadline on each piece would let a trickle go on."""
    complete = False
    until = asyncio.get_running_loop().time() + timeout_s

    async def receive_timed() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            complete = True
            raise Problem(
                408,
                "request-timeout",
                f"The body did not arrive within {timeout_s:g} s",
                retryable=True,
            ) from None
        complete = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            # The framework would report it as an error of ours.
            raise Problem(400, "body-incomplete", "The connection closed before the body's end")
        return message

    return receive_timed
