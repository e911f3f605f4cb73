"""Orders per second of one variant beside another, in rounds that take turns."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import click
import psutil

from bench import clients
from bench.rates import database_s
from bench.shops import Variant

# Background work must not run on into the next round.
_REST_S = 1.0
_CLIENTS = (1, 4, 16, 64)
_REPLAY = """
import asyncio, sys
from bench.baseline import StatementReplay

async def main():
    replay = await StatementReplay.open(sys.argv[1], 16)
    for orders in sys.stdin:
        print(await replay.round(int(orders)), flush=True)
    await replay.close()

asyncio.run(main())"""


class Floor:
    """The baseline of a checkout, on a database as that has it, in a process of its own."""

    def __init__(self, tree: Path, database_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _REPLAY, database_url],
            cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._requests = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)

    def round(self, orders: int) -> float:
        """Orders per second over so many."""
        self._requests.write(f"{orders}\n")
        self._requests.flush()
        return float(self._answers.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def rounds(
    by_name: Mapping[str, Variant], count: int, orders: int, floors: Mapping[str, Floor] = {}
) -> dict[str, Any]:
    """Medians of each shop at 16 clients, and every round's orders per second; those of the floors
    as well."""
    return asyncio.run(_rounds(by_name, count, orders, floors))


async def _rounds(
    by_name: Mapping[str, Variant], count: int, orders: int, floors: Mapping[str, Floor]
) -> dict[str, Any]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names = tuple(by_name)
    for floor in floors.values():
        floor.round(orders // 4)
    for shop in by_name.values():
        await clients.shop(shop.urls["order"], 16, orders // 4)
    begun = time.monotonic()
    for number in range(count):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            shop = by_name[name]
            before, watching = shop.cpu_s(), _dashboard_s(shop)
            done = await clients.shop(shop.urls["order"], 16, orders)
            clients.demand_equal_work(name, done)
            await asyncio.sleep(_REST_S)
            for key in ("orders_per_s", "p50_ms", "p99_ms"):
                found[name][key].append(getattr(done, key))
            used_s, watching_s = shop.cpu_s() - before, _dashboard_s(shop) - watching
            found[name]["cpu_ms_per_order"].append(1000 * used_s / orders)
            found[name]["services_ms_per_order"].append(1000 * (used_s - watching_s) / orders)
        for name, floor in floors.items():
            found[name]["orders_per_s"].append(floor.round(orders))
        click.echo(f"  round {number + 1} of {count}, {time.monotonic() - begun:.0f} s")
    for floor in floors.values():
        floor.close()
    return {
        name: {key: statistics.median(values) for key, values in figures.items()}
        | {"all_orders_per_s": figures["orders_per_s"]}
        for name, figures in found.items()
    }


def _dashboard_s(shop: Variant) -> float:
    return shop.cpu_s_of("dashboard") if "dashboard" in shop.children else 0.0


def clients_grow(
    by_name: Mapping[str, Variant], orders: int, server: psutil.Process
) -> dict[str, Any]:
    """Each shop at 1, 4, 16 and 64 clients; the processor time of an order includes PostgreSQL's,
    which serves one shop at a time."""
    found: dict[str, Any] = {}
    for count in _CLIENTS:
        for name, shop in by_name.items():
            asyncio.run(clients.shop(shop.urls["order"], count, 2 * count))
            before = shop.cpu_s() + database_s(server)
            done = asyncio.run(clients.shop(shop.urls["order"], count, orders))
            time.sleep(_REST_S)
            used_s = shop.cpu_s() + database_s(server) - before
            found.setdefault(str(count), {})[name] = {
                "orders_per_s": done.orders_per_s,
                "p50_ms": done.p50_ms,
                "p99_ms": done.p99_ms,
                "cpu_ms_per_order": 1000 * used_s / orders,
            }
        click.echo(f"  {count} clients done")
    return found


def replicas(one: Variant, other: Variant, count: int, orders: int) -> dict[str, float]:
    """Orders per second through one order-service, and through two of them at once."""
    return asyncio.run(_replicas(one.urls["order"], other.urls["order"], count, orders))


async def _replicas(one: str, other: str, count: int, orders: int) -> dict[str, float]:
    speeds: dict[str, list[float]] = {"one": [], "two": []}
    for url in (one, other):
        await clients.shop(url, 16, orders // 4)
    for _ in range(count):
        alone = await clients.shop(one, 16, orders)
        clients.demand_equal_work("one order-service", alone)
        speeds["one"].append(alone.orders_per_s)
        begun = time.perf_counter()
        both = await asyncio.gather(*(clients.shop(url, 8, orders // 2) for url in (one, other)))
        for done in both:
            clients.demand_equal_work("one of two order-services", done)
        speeds["two"].append(orders / (time.perf_counter() - begun))
    return {name: statistics.median(each) for name, each in speeds.items()}
