"""`make bench`: runs the comparison and prints it as a table; `--json FILE` keeps it."""

import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import psutil

from bench import (
    acquirer,
    capacity,
    collectors,
    compare,
    decisions,
    events,
    exporters,
    growth,
    idle,
    opening,
    order_cost,
    receiver,
    report,
    shops,
    soak,
    spectator_cost,
    startup,
    transports,
    wallets,
)
from bench.shops import Variant
from fleet.postgres import PostgresServer, serving
from fleet.run_dir import RunDirectory
from topology import KEYS, NAMES, find

PARTS = (
    "compare",
    "clients",
    "order-cost",
    "capacity",
    "decisions",
    "acquirer",
    "replicas",
    "collectors",
    "exporters",
    "transports",
    "events",
    "wallets",
    "spectators",
    "growth",
    "startup",
    "start",
    "idle",
)
# It takes half an hour, and asks for a verdict instead of a figure: only where it is named.
ON_REQUEST = ("soak",)


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds per variant.")
@click.option("--orders", default=600, show_default=True, help="Orders per round at 16 clients.")
@click.option("--spectators", default=200, show_default=True, help="Browsers on the overview.")
@click.option(
    "--most-orders",
    default=1_000_000,
    show_default=True,
    help="Largest size of growth.",
)
@click.option(
    "--pgledger",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its SQL, with what it needs: measured beside a wallet's debit.",
)
@click.option(
    "--tree",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Another checkout: what an order costs there, measured in turns with this one.",
)
@click.option("--payments", default=100_000, show_default=True, help="Payments of the soak.")
@click.option("--kills", default=40, show_default=True, help="Processes killed during the soak.")
@click.option("--seed", default=1, show_default=True, help="Which payments and kills it has.")
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS + ON_REQUEST), help="A part; may be repeated."
)
@click.option(
    "--otel-python",
    required=True,
    help="An interpreter that has what requirements-bench.lock pins.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Keep the figures.")
def main(
    rounds: int,
    orders: int,
    spectators: int,
    most_orders: int,
    pgledger: Path | None,
    tree: Path | None,
    payments: int,
    kills: int,
    seed: int,
    only: tuple[str, ...],
    otel_python: str,
    json_path: Path | None,
) -> None:
    """What the shop costs, as ratios from one run. Takes a quarter of an hour; asserts nothing."""
    with tempfile.TemporaryDirectory(prefix="valerix-bench-") as folder:
        home = RunDirectory(Path(folder))
        home.prepare()
        # Three shops at once have three times the pools.
        more = {"max_connections": "300"}
        server = PostgresServer(home.data, home.log("postgres"), settings=more, say=click.echo)
        with serving(server):
            bench = _Bench(home, server, rounds, orders, otel_python)
            parts: dict[str, Callable[[], Any]] = {
                "compare": lambda: bench.compare(tree),
                "clients": bench.clients,
                "order-cost": lambda: bench.cost(tree),
                "capacity": bench.capacity,
                "decisions": bench.decide,
                "acquirer": bench.acquire,
                "replicas": bench.replicas,
                "collectors": bench.collectors,
                "exporters": bench.exporters,
                "transports": bench.transports,
                "events": bench.carry,
                "wallets": lambda: bench.debit(pgledger),
                "spectators": lambda: bench.watch_overview(spectators),
                "growth": lambda: bench.grow(most_orders),
                "startup": bench.startup,
                "start": bench.start,
                "idle": bench.idle,
                "soak": lambda: bench.soak(payments, kills, seed),
            }
            result = {"machine": _machine(), "rounds": rounds, "orders": orders}
            for name in only or PARTS:
                click.echo(f"{name}:")
                result[name] = parts[name]()
    click.echo(report.table(result))
    if json_path is not None:
        shops.write(json_path, result)


class _Bench:
    """The parts, on one server; each has shops and databases of its own."""

    def __init__(
        self,
        home: RunDirectory,
        server: PostgresServer,
        rounds: int,
        orders: int,
        otel_python: str,
    ) -> None:
        self._home, self._server = home, server
        self._rounds, self._orders, self._otel_python = rounds, orders, otel_python

    def _database(self, name: str) -> str:
        return shops.database(self._server.url_of("postgres"), f"bench_{name}")

    def _observed(self, name: str, keys: tuple[str, ...] = KEYS) -> Variant:
        """A whole fleet, or some of it, sending to its own dashboard."""
        shop = Variant(name, self._home, self._database(name), {}, keys=keys)
        shop.add({"VALERIX_OTLP_RECEIVER": shop.urls["dashboard"]})
        return shop

    def _dark(self, name: str) -> Variant:
        """What an order needs, without telemetry."""
        off = {"VALERIX_TELEMETRY": "off"}
        return Variant(name, self._home, self._database(name), off, keys=order_cost.ALONE)

    def compare(self, other: Path | None) -> Any:
        """Dark, observed and otel, and the baseline; and what they are in another checkout."""
        observed = self._observed("observed", (*order_cost.ALONE, "dashboard"))
        receiver_at = {"VALERIX_OTLP_ENDPOINT": observed.urls["dashboard"]}
        dark = self._dark("dark")
        otel = Variant(
            "otel", self._home, self._database("otel"), receiver_at, keys=order_cost.ALONE,
            otel_python=self._otel_python,
        )  # fmt: skip
        by_name = {"dark": dark, "observed": observed, "otel": otel}
        floors = {"baseline": compare.Floor(Path.cwd(), self._database("baseline"))}
        if other is not None:
            by_name |= {
                f"{name}, before": self._before(other, name, shop)
                for name, shop in (("dark", dark), ("observed", observed))
            }
            url = shops.empty(self._server.url_of("postgres"), "bench_baseline_before")
            floors["baseline, before"] = compare.Floor(other, order_cost.migrated(other, url))
        with shops.running(list(by_name.values())):
            return compare.rounds(by_name, self._rounds, self._orders, floors)

    def _before(self, other: Path, name: str, shop: Variant) -> Variant:
        """The same shop of another checkout."""
        url = shops.empty(self._server.url_of("postgres"), f"bench_{name}_before")
        before = Variant(
            f"{name}-before", self._home, order_cost.migrated(other, url),
            {"VALERIX_TELEMETRY": "off"} if name == "dark" else {}, keys=shop.keys, tree=other,
        )  # fmt: skip
        if name == "observed":
            before.add({"VALERIX_OTLP_RECEIVER": before.urls["dashboard"]})
        return before

    def clients(self) -> Any:
        """1, 4, 16 and 64 clients."""
        dark = self._dark("dark_n")
        observed = self._observed("observed_n", (*order_cost.ALONE, "dashboard"))
        with shops.running([observed, dark]):
            by_name = {"dark": dark, "observed": observed}
            return compare.clients_grow(by_name, self._orders, self._server_process())

    def cost(self, other: Path | None) -> Any:
        """What one order costs here, and in another checkout."""
        trees = {"here": Path.cwd()} | ({"there": other} if other else {})
        parts = {"alone": order_cost.ALONE, "with the bus": order_cost.WITH_BUS}
        volume = capacity.TelemetryCounter()

        def shop(name: str, tree: Path, number: int, keys: tuple[str, ...]) -> Variant:
            url = shops.empty(self._server.url_of("postgres"), f"bench_cost_{name}_{number}")
            return Variant(
                f"{name}-{number}", self._home, order_cost.migrated(tree, url),
                {"VALERIX_OTLP_RECEIVER": volume.url, **order_cost.PATIENT}, keys=keys, tree=tree,
            )  # fmt: skip

        with volume.serving():
            by_part = {
                part: {name: shop(name, tree, number, keys) for name, tree in trees.items()}
                for number, (part, keys) in enumerate(parts.items())
            }
            return order_cost.measure(by_part, self._server_process(), self._rounds, self._orders)

    def capacity(self) -> Any:
        """What one order takes, and where orders a second bend."""
        shop, volume = self._observed("capacity"), capacity.TelemetryCounter()
        sending = Variant("volume", self._home, self._database("volume"), {}, keys=tuple(NAMES))
        with volume.serving(), shops.running([shop]):
            sending.add({"VALERIX_OTLP_RECEIVER": volume.url})
            return capacity.measure(shop, self._server_process(), sending, volume)

    def decide(self) -> Any:
        """Policy, plan and route beside a whole payment."""
        shop = self._observed("decisions")
        with shops.running([shop]):
            return asyncio.run(decisions.measure(shop, self._rounds))

    def acquire(self) -> Any:
        """The acquirer beside localstripe."""
        shop = Variant("acquirer", self._home, self._database("acquirer"), {}, keys=("acquirer",))
        with shops.running([shop]):
            return acquirer.rounds(shop, self._home, self._otel_python, self._rounds)

    def replicas(self) -> Any:
        """One order-service and two on one database."""
        shop = self._observed("replicas")
        second = Variant("second", self._home, shop.database_url, {}, keys=("order",))
        others = {find(key).url_variable: shop.urls[key] for key in find("order").calls}
        second.add({"VALERIX_OTLP_RECEIVER": shop.urls["dashboard"], **others})
        with shops.running([shop, second]):
            return compare.replicas(shop, second, self._rounds, self._orders)

    def collectors(self) -> Any:
        """Collectors that are down, slow or refusing."""
        databases = {name: self._database(f"collect_{name}") for name in ("dark", "observed")}
        return collectors.measure(self._home, databases, self._rounds, self._orders)

    def exporters(self) -> Any:
        """The exporter made for the dashboard's receiver beside the official one, and none."""
        own = self._observed("own")
        official = Variant("official", self._home, self._database("official"), {}, keys=KEYS)
        # An address that is named always gets the official exporter.
        official.add({"VALERIX_OTLP_ENDPOINT": official.urls["dashboard"]})
        dark = Variant("dark-e", self._home, self._database("dark_e"), {"VALERIX_TELEMETRY": "off"})
        with shops.running([own, official, dark]):
            return exporters.rounds(
                {"own": own, "official": official, "dark": dark}, self._rounds, self._orders
            )

    def transports(self) -> Any:
        """A call over HTTP beside one over gRPC."""
        dark = {"VALERIX_TELEMETRY": "off", "VALERIX_PAYMENT_STRIPE_ACCOUNTS": ""}
        shop = Variant("hop", self._home, self._database("hop"), dark, keys=("payment",))
        with shops.running([shop]):
            return asyncio.run(transports.measure(shop, self._rounds, 2 * self._orders))

    def carry(self) -> Any:
        """The relay and its consumers, through PostgreSQL and, where VALERIX_AMQP_URL names one,
        through a RabbitMQ."""
        broker = os.environ.get("VALERIX_AMQP_URL", "")
        transports = {"postgres": ""} | ({"rabbitmq": broker} if broker else {})
        backlogs, buying = (
            {
                name: Variant(
                    f"{what}-{name}", self._home, self._database(f"{what}_{name}"),
                    {"VALERIX_AMQP_URL": url, "VALERIX_TELEMETRY": "off"}, keys=keys,
                )
                for name, url in transports.items()
            }
            for what, keys in (("backlog", events.BUS), ("buying", events.BUYING))
        )  # fmt: skip
        return events.measure(backlogs, buying)

    def debit(self, pgledger: Path | None) -> Any:
        """A wallet's debit in SQL, beside the floor, pgledger and the same over HTTP."""
        postgres = self._server.url_of("postgres")
        urls = {"shop": self._database("debits")}
        urls |= {name: shops.empty(postgres, f"bench_{name}") for name in ("floor", "pgledger")}
        folder = self._home.path / "pgbench"
        folder.mkdir()
        shop = Variant(
            "paying", self._home, self._database("paying"),
            {"VALERIX_TELEMETRY": "off", **soak.PATIENT},
            keys=("wallet", *find("wallet").calls),
        )  # fmt: skip
        with shops.running([shop]):
            return wallets.measure(folder, urls, pgledger, shop, self._rounds)

    def watch_overview(self, spectators: int) -> Any:
        """The overview watched, the receiver's rate, and what the fleet then holds in memory."""
        shop = self._observed("spectators")
        with shops.running([shop]):
            found = asyncio.run(
                spectator_cost.measure(shop, spectators, self._orders, self._rounds)
            )
            found["receiver"] = asyncio.run(receiver.measure(shop, 60))
            found["memory_mb"] = shop.resident_mb() | {"postgres": self._server_mb()}
        return found

    def grow(self, most: int) -> Any:
        """A thousand orders to a million."""
        sizes = tuple(size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= most)
        return asyncio.run(growth.measure(self._database("growth"), sizes))

    def startup(self) -> Any:
        """Each process alone."""
        return startup.measure(self._home, self._database("startup"))

    def start(self) -> Any:
        """A whole shop, with a PostgreSQL of its own."""
        return opening.measure(self._home.path / "opening", self._rounds)

    def idle(self) -> Any:
        """A whole shop, with a PostgreSQL of its own, while nothing happens."""
        return idle.measure(self._home.path / "idle")

    def soak(self, payments: int, kills: int, seed: int) -> Any:
        """Payments from wallets, while processes are killed."""
        shop = Variant(
            "soak", self._home, self._database("soak"),
            {"VALERIX_TELEMETRY": "off", **soak.PATIENT}, keys=soak.KEYS,
        )  # fmt: skip
        with shops.running([shop]):
            return soak.measure(shop, payments, kills, seed)

    def _server_process(self) -> psutil.Process:
        child = self._server.child
        if child is None:
            raise click.ClickException("PostgreSQL is not running")
        return psutil.Process(child.pid)

    def _server_mb(self) -> float:
        server = self._server_process()
        return sum(map(shops.proportional_mb, (server, *server.children())))


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
