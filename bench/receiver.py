"""How many spans a second the dashboard's receiver takes, and how long pages wait meanwhile."""

import asyncio
import json
import random
import time
from typing import Any

import aiohttp

from bench.shops import Variant

_BATCH = 512
_OF_A_TRACE = 24


async def measure(shop: Variant, batches: int) -> dict[str, float]:
    """Spans per second from one sender, and the time of a page asked for again and again."""
    url = shop.urls["dashboard"]
    bodies = [_batch() for _ in range(batches)]
    waits: list[float] = []
    async with aiohttp.ClientSession() as session:
        sent = asyncio.Event()
        looking = asyncio.create_task(_look(session, url, waits, sent))
        begun = time.perf_counter()
        for body in bodies:
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{url}/v1/traces", data=body, headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()
        seconds = time.perf_counter() - begun
        sent.set()
        await looking
    waits.sort()
    return {
        "spans_per_s": batches * _BATCH / seconds,
        "mb_per_s": sum(map(len, bodies)) / 1e6 / seconds,
        "page_p99_ms": waits[int(len(waits) * 0.99)] * 1000,
    }


async def _look(
    session: aiohttp.ClientSession, url: str, waits: list[float], sent: asyncio.Event
) -> None:
    while not sent.is_set():
        begun = time.perf_counter()
        async with session.get(f"{url}/panels/lights") as answer:
            await answer.read()
        waits.append(time.perf_counter() - begun)
        await asyncio.sleep(0.01)


def _batch() -> bytes:
    """Spans as a service sends them, a full batch: 24 to a trace, five attributes each."""
    now = time.time_ns()
    spans: list[dict[str, Any]] = []
    for number in range(_BATCH):
        if number % _OF_A_TRACE == 0:
            trace, parent = f"{random.getrandbits(128) | 1:032x}", ""
        span = f"{random.getrandbits(64) | 1:016x}"
        spans.append(
            {
                "traceId": trace, "spanId": span, "parentSpanId": parent,
                "name": f"work {number % _OF_A_TRACE}", "kind": 1,
                "startTimeUnixNano": str(now - 10**7), "endTimeUnixNano": str(now),
                "attributes": [
                    {"key": f"attribute.{n}", "value": {"stringValue": f"value {n} " * 3}}
                    for n in range(5)
                ],
                "events": [], "links": [], "status": {"code": 0},
            }
        )  # fmt: skip
        parent = parent or span
    sender = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
    group = {"resource": sender, "scopeSpans": [{"spans": spans}]}
    return json.dumps({"resourceSpans": [group]}).encode()
