"""`python -m bench`: runs the comparison and prints it as a table; `--json FILE` keeps it."""

import asyncio
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import psutil

from bench import clients, floor, report, shops, startup
from bench.shops import Shop
from fleet.home import Home
from fleet.postgres import PostgresServer, serving

VARIANTS = ("dark", "observed", "stock")


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds per variant.")
@click.option("--orders", default=600, show_default=True, help="Orders per round at 16 clients.")
@click.option("--growth/--no-growth", default=True, help="Also 1, 4, 16 and 64 clients.")
@click.option("--stock-python", required=True, help="An interpreter that has OpenTelemetry.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Keep the figures.")
def main(rounds: int, orders: int, growth: bool, stock_python: str, json_path: Path | None) -> None:
    """What the shop costs, as ratios from one run. Takes a few minutes; asserts nothing."""
    with tempfile.TemporaryDirectory(prefix="valerix-bench-") as folder:
        home = Home(Path(folder))
        home.prepare()
        # Three shops at once have three times the pools.
        more = {"max_connections": "300"}
        server = PostgresServer(home.data, home.log("postgres"), settings=more, say=click.echo)
        with serving(server):
            result = _measure(
                home, server.url_of("postgres"), rounds, orders, stock_python, growth=growth
            )
    click.echo(report.table(result))
    if json_path is not None:
        shops.write(json_path, result)


def _measure(
    home: Home, server_url: str, rounds: int, orders: int, stock_python: str, *, growth: bool
) -> dict[str, Any]:
    databases = {v: shops.database(server_url, f"bench_{v}") for v in (*VARIANTS, "floor")}
    keys = ("inventory", "payment", "order")
    observed = Shop("observed", home, databases["observed"], {}, keys=(*keys, "dashboard"))
    receiver = {"VALERIX_OTLP_ENDPOINT": observed.urls["dashboard"]}
    observed.add(receiver)
    dark = Shop("dark", home, databases["dark"], {"VALERIX_TELEMETRY": "off"}, keys=keys)
    stock = Shop("stock", home, databases["stock"], receiver, keys=keys, stock_python=stock_python)
    click.echo("starting three shops")
    result: dict[str, Any] = {"machine": _machine(), "rounds": rounds, "orders": orders}
    with shops.running([observed, dark, stock]) as open_shops:
        by_name = {shop.name: shop for shop in open_shops}
        result["at_16"] = asyncio.run(_rounds(by_name, databases["floor"], rounds, orders))
        if growth:
            result["growth"] = asyncio.run(_growth(by_name, orders))
        result["memory_mb"] = {**by_name["observed"].resident_mb()}
    result["startup"] = startup.measure(home, databases["dark"])
    return result


async def _rounds(
    open_shops: dict[str, Shop], floor_url: str, rounds: int, orders: int
) -> dict[str, Any]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    sql = await floor.Floor.open(floor_url, 16)
    await sql.round(orders // 4)
    for shop in open_shops.values():
        await clients.shop(shop.urls["order"], 16, orders // 4)
    begun = time.monotonic()
    for number in range(rounds):
        for name in (*VARIANTS[number % 3 :], *VARIANTS[: number % 3]):
            shop = open_shops[name]
            before = shop.cpu_s()
            done = await clients.shop(shop.urls["order"], 16, orders)
            if set(done.answers) != {201}:
                raise click.ClickException(f"{name} answered {done.answers}: no fair comparison")
            for key in ("orders_per_s", "p50_ms", "p99_ms"):
                found[name][key].append(getattr(done, key))
            found[name]["cpu_ms_per_order"].append((shop.cpu_s() - before) * 1000 / orders)
            await asyncio.sleep(1.0)  # what was handed to the background belongs to nobody's round
        found["floor"]["orders_per_s"].append(await sql.round(orders))
        click.echo(f"  round {number + 1} of {rounds}, {time.monotonic() - begun:.0f} s")
    await sql.close()
    return {
        name: {key: statistics.median(values) for key, values in figures.items()}
        | {"all_orders_per_s": figures["orders_per_s"]}
        for name, figures in found.items()
    }


async def _growth(open_shops: dict[str, Shop], orders: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for count in (1, 4, 16, 64):
        for name in ("dark", "observed"):
            done = await clients.shop(open_shops[name].urls["order"], count, orders // 2)
            figures = {"orders_per_s": done.orders_per_s, "p50_ms": done.p50_ms}
            found.setdefault(str(count), {})[name] = {**figures, "p99_ms": done.p99_ms}
            await asyncio.sleep(1.0)
        click.echo(f"  {count} clients done")
    return found


def _machine() -> dict[str, Any]:
    return {
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


if __name__ == "__main__":
    main()
