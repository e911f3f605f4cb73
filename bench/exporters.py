"""Processor time of an order in the services on its way, by which exporter sends its telemetry."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import click

from bench import clients
from bench.shops import Variant
from topology import NAMES, find

# The queues are emptied once a second; after this, what a round left has been sent.
_REST_S = 2.5
# Few, so that a busy machine delays no order past its deadline: one that is retried costs more.
_CLIENTS = 4
# What an order waits for; the others, which also export, are counted apart.
_ON_ITS_WAY = ("order", *find("order").calls)


def rounds(by_name: Mapping[str, Variant], count: int, orders: int) -> dict[str, Any]:
    """Milliseconds an order, of each shop in rounds that take turns, and megabytes at the end."""
    return asyncio.run(_rounds(by_name, count, orders))


async def _rounds(by_name: Mapping[str, Variant], count: int, orders: int) -> dict[str, Any]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names = tuple(by_name)
    for shop in by_name.values():
        await clients.shop(shop.urls["order"], _CLIENTS, orders // 4)
    await asyncio.sleep(_REST_S)
    begun = time.monotonic()
    for number in range(count):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            shop = by_name[name]
            before = {key: shop.cpu_s_of(key) for key in shop.children}
            done = await clients.shop(shop.urls["order"], _CLIENTS, orders)
            clients.demand_equal_work(name, done)
            await asyncio.sleep(_REST_S)
            spent = {key: shop.cpu_s_of(key) - before[key] for key in shop.children}
            services = sum(spent[key] for key in _ON_ITS_WAY)
            others = sum(spent[key] for key in NAMES if key not in _ON_ITS_WAY)
            found[name]["services_cpu_ms"].append(services * 1000 / orders)
            found[name]["others_cpu_ms"].append(others * 1000 / orders)
            found[name]["dashboard_cpu_ms"].append(spent.get("dashboard", 0.0) * 1000 / orders)
            found[name]["orders_per_s"].append(done.orders_per_s)
        click.echo(f"  round {number + 1} of {count}, {time.monotonic() - begun:.0f} s")
    return {
        name: {key: statistics.median(values) for key, values in figures.items()}
        | {"all_services_cpu_ms": figures["services_cpu_ms"]}
        | {"resident_mb": by_name[name].resident_mb()}
        for name, figures in found.items()
    }
