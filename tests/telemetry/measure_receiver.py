"""Measures the receiver: ingest rate, memory, and how long the event loop has to wait."""

import asyncio
import gc
import json
import random
import time
import tracemalloc

import aiohttp
import click
from prometheus_client import CollectorRegistry

from chassis.app import service_app
from frontend.observatory import bounds
from frontend.observatory.memory import Memory
from frontend.observatory.otlp import JSON, PROTOBUF, read
from frontend.observatory.receiver import Receiver
from tests.frontend.observatory.wires import json_attributes, json_span, json_traces, proto_traces
from tests.serving import serve, settings_of

SPANS = 512


def json_batch(count: int) -> bytes:
    """Spans as a service sends them: eight attributes each, eight to a trace."""
    values = {f"attribute.{number}": f"value {number} " * 4 for number in range(8)}
    spans = [
        json_span(traceId=f"{random.getrandbits(128) | 1:032x}", attributes=json_attributes(values))
        for _ in range(count // 8)
        for _ in range(8)
    ]
    for number, span in enumerate(spans):
        span["traceId"] = spans[number - number % 8]["traceId"]
    return json.dumps(json_traces(*spans)).encode()


async def lag(stop: asyncio.Event, waits: list[float]) -> None:
    """How much later than asked the event loop comes back."""
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.002)
        waits.append(time.perf_counter() - began - 0.002)


def said(waits: list[float]) -> str:
    waits.sort()
    p50, p99 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
    return (
        f"event loop late by p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {waits[-1] * 1000:.1f} ms"
    )


async def send(url: str, body: bytes, media_type: str, count: int, times: int) -> None:
    """Send the same batch again and again, with other trace ids, and say how fast it went."""
    waits: list[float] = []
    stop = asyncio.Event()
    watching = asyncio.create_task(lag(stop, waits))
    began = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        for _ in range(times):
            headers = {"Content-Type": media_type}
            async with session.post(f"{url}/v1/traces", data=body, headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(f"answered {answer.status}")
    rate = count * times / (time.perf_counter() - began)
    stop.set()
    await watching
    click.echo(
        f"{media_type:<24} {count:>5} spans, {len(body) / 1e6:.2f} MB: "
        f"{rate:,.0f} spans/s; {said(waits)}"
    )


async def rates() -> None:
    """Over a real socket, sender and receiver in one event loop."""
    memory = Memory()
    settings = settings_of("dashboard", "postgresql://nobody@127.0.0.1:1/nothing")
    receiver = Receiver(memory)
    app = service_app(
        name="dashboard",
        title="Telemetry",
        settings=settings,
        registry=CollectorRegistry(),
        routes=receiver.routes(),
        closes=[receiver.close],
    )
    async with serve(app, settings) as url:
        idle: list[float] = []
        stop = asyncio.Event()
        watching = asyncio.create_task(lag(stop, idle))
        await asyncio.sleep(1)
        stop.set()
        await watching
        click.echo(f"idle: {said(idle)}")
        for count, times in ((SPANS, 20), (4_096, 5)):
            await send(url, json_batch(count), JSON, count, times)
            body = proto_traces(count, attributes=8).SerializeToString()
            await send(url, body, PROTOBUF, count, times)


def fill(spans_of_a_trace: int) -> None:
    """Fill the memory past its bound and compare what it says with what Python allocated."""
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    memory = Memory(traces_limit=8 * bounds.MIB, logs_limit=bounds.MIB)
    for _ in range(12 * bounds.MIB // 700 // SPANS):
        batch = read("traces", json_batch(SPANS), JSON, gzipped=False, now_ns=time.time_ns())
        for number, (span, packed) in enumerate(batch.spans):
            if number % 8 < spans_of_a_trace:
                memory.keep_span(span, packed)
    del batch, span, packed
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    click.echo(
        f"{spans_of_a_trace} spans a trace: {len(memory.traces)} traces, says "
        f"{memory.traces.used_bytes / 1e6:.2f} MB, allocated {used / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    asyncio.run(rates())
    fill(1)
    fill(8)
