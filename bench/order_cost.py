"""What one order costs: commits, write-ahead log and processor time, beside another checkout's; and
how long one client waits for it.

Shops without relay and consumers come first, and then shops with them, so that these can be counted
apart. What an idle shop does in the same time is taken off."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from statistics import median

import asyncpg
import click
import psutil

from bench import clients, rates, shops
from bench.events import BUYING
from bench.shops import Variant
from topology import find

CLIENTS = 16
ALONE, WITH_BUS = (*find("order").calls, "order"), BUYING
_IDLE_S, _LEFT_S, _POLL_S = 5.0, 120.0, 0.2
_WARM_ORDERS = 200
# An order that other work on the machine delays shall take the same steps.
PATIENT = {
    "VALERIX_POOL_WAIT_S": "8",
    "VALERIX_PEER_DEADLINE_S": "10",
    "VALERIX_REQUEST_BUDGET_S": "25",
    "VALERIX_ORDER_LEASE_S": "26",
    "VALERIX_PAYMENT_GATEWAY_TIMEOUT_S": "8",
}
_LEFT = """
SELECT count(*) FROM orders.orders WHERE status = 'CONFIRMED' AND stock_committed_at IS NULL"""

Figures = dict[str, float]


def migrated(tree: Path, url: str) -> str:
    """The empty database at `url`, as the checkout `tree` has it."""
    script = "import sys; from fleet import migrate; migrate.upgrade(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", script, url],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, check=True,
    )  # fmt: skip
    return url


def measure(
    parts: Mapping[str, Mapping[str, Variant]], server: psutil.Process, rounds: int, orders: int
) -> dict[str, dict[str, Figures]]:
    """What one order takes, the median of the rounds: by part, and by checkout, whose turns come
    one after another."""
    found: dict[str, dict[str, Figures]] = {}
    for part, by_name in parts.items():
        with shops.running(list(by_name.values())):
            found[part] = asyncio.run(_rounds(part, by_name, server, rounds, orders))
    return found


async def _rounds(
    part: str, by_name: Mapping[str, Variant], server: psutil.Process, rounds: int, orders: int
) -> dict[str, Figures]:
    for shop in by_name.values():
        await _buy(shop, _WARM_ORDERS)
        await _at_rest(shop)
    # What the warm orders made is reported late, and is not of the first idle time.
    await asyncio.sleep(rates.REPORTED_S)
    taken: dict[str, list[Figures]] = {name: [] for name in by_name}
    for _ in range(rounds):
        for name, shop in by_name.items():
            idle = await _taken(shop, server, asyncio.sleep(_IDLE_S))
            busy = await _taken(shop, server, _buy(shop, orders))
            time_of_idle = busy["seconds"] / idle["seconds"]
            one = {key: (busy[key] - time_of_idle * idle[key]) / orders for key in busy}
            one["p50 of one client, ms"] = await _alone(shop, orders // 4)
            taken[name].append(one)
            click.echo(
                f"  {part}, {name}: {one['commits']:.1f} commits, {one['wal_records']:.0f} WAL"
                f" records, {one['cpu_ms']:.1f} ms; {one['p50 of one client, ms']:.1f} ms alone"
            )
    return {
        name: {key: median(each[key] for each in series) for key in series[0] if key != "seconds"}
        for name, series in taken.items()
    }


async def _at_rest(shop: Variant) -> None:
    """Statistics, and nobody who comes in the middle of a round to make them: the write-ahead log
    counts what everybody writes."""
    connection = await asyncpg.connect(shop.database_url)
    for statement in ("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()",
                      "VACUUM ANALYZE", "CHECKPOINT"):  # fmt: skip
        await connection.execute(statement)
    await connection.close()


async def _taken(shop: Variant, server: psutil.Process, work: Awaitable[None]) -> Figures:
    """What was counted until `work` was done and every backend had reported."""
    first = await rates.look(shop, server)
    await work
    await asyncio.sleep(rates.REPORTED_S)
    then = await rates.look(shop, server)
    cpu = {
        f"{name} ms": 1000 * (then.cpu_s[name] - used)
        for name, used in first.cpu_s.items()
        if name != "client"
    }
    counts = {name: then.counts[name] - seen for name, seen in first.counts.items()}
    return {"seconds": then.at_s - first.at_s, **counts, "cpu_ms": sum(cpu.values()), **cpu}


async def _alone(shop: Variant, orders: int) -> float:
    done = await clients.shop(shop.urls["order"], 1, orders)
    clients.demand_equal_work(shop.name, done)
    return done.p50_ms


async def _buy(shop: Variant, orders: int) -> None:
    """Orders, until the goods of all are sold and what the bus has to do is done."""
    clients.demand_equal_work(shop.name, await clients.shop(shop.urls["order"], CLIENTS, orders))
    connection = await asyncpg.connect(shop.database_url)
    try:
        async with asyncio.timeout(_LEFT_S):
            while await connection.fetchval(_LEFT):  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(_POLL_S)
    finally:
        await connection.close()
    if "relay" in shop.children:
        await rates.settle(shop)
