"""Closed-loop shoppers: a fixed number of clients, each placing its next order after the last."""

import asyncio
import time
from collections import Counter

import aiohttp
import click
import msgspec

ORDER = b'{"product_id":"PROD-001","quantity":1}'


class Round(msgspec.Struct, frozen=True):
    """One round's result: orders per second, milliseconds, answers by status."""

    orders_per_s: float
    p50_ms: float
    p99_ms: float
    answers: dict[int, int]


async def shop(url: str, clients: int, orders: int) -> Round:
    """Place `orders` orders with `clients` shoppers."""
    answers: Counter[int] = Counter()
    took: list[float] = []
    left = iter(range(orders))

    async def client(session: aiohttp.ClientSession) -> None:
        for _ in left:
            begun = time.perf_counter()
            async with session.post(
                f"{url}/orders", data=ORDER, headers={"Content-Type": "application/json"}
            ) as response:
                await response.read()
                answers[response.status] += 1
            took.append(time.perf_counter() - begun)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        started = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        seconds = time.perf_counter() - started
    took.sort()
    return Round(
        orders / seconds,
        took[len(took) // 2] * 1000,
        took[min(len(took) - 1, int(len(took) * 0.99))] * 1000,
        dict(answers),
    )


def demand_equal_work(name: str, done: Round) -> None:
    """An order that was not confirmed took other steps, so its time compares with nothing."""
    if set(done.answers) != {201}:
        raise click.ClickException(f"{name} answered {done.answers}: no fair comparison")
