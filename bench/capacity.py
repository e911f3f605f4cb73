"""What one order takes of everything, and where orders a second bend: for `valerix capacity`."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import asyncpg
import click
import msgspec
import psutil

from bench import clients, rates, shops
from bench.baseline import PRODUCT
from bench.queue_simulation import ProcessStep, Shop, knee_per_s
from bench.rates import Held, Rates
from bench.shops import Variant
from chassis.database.pool import Connection
from services.inventory import store as inventory
from topology import find

# Each rate is held for so long; an idle shop, which does the same all the time, for less.
_HOLD_S, _IDLE_S, _REST_S = 25.0, 10.0, 3.0
# Of the orders a second of the warm-up's clients, which wait for each answer.
_SHARES = (0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
_WARM_ORDERS = 800
_LOCKS = 200
_VOLUME_ORDERS = 100
# An order asks each of its peers, and the first of them once more, for the goods are sold at the
# end; each asks the database after it has worked.
_PEERS = find("order").calls
_VISITS = tuple(step for key in (*_PEERS, _PEERS[0]) for step in ("order", key))


def measure(
    shop: Variant, server: psutil.Process, sending: Variant, volume: "TelemetryCounter"
) -> Any:
    """The part of the result. `shop` is whole; `sending` sends its telemetry to `volume`."""
    found = asyncio.run(_measure(shop, server))
    with shops.running([sending]):
        found["per_order"]["telemetry_bytes"] = asyncio.run(_telemetry(sending, volume))
    return found


async def _measure(shop: Variant, server: psutil.Process) -> dict[str, Any]:
    rough = await _warm(shop)
    before = await rates.look(shop, server)
    await asyncio.sleep(_IDLE_S)
    idle = rates.per_s(before, await rates.look(shop, server))
    levels: list[Held] = []
    for share in _SHARES:
        levels.append(await rates.hold(shop, server, share * rough, _HOLD_S, idle))
        # One that fails may have met other work on the machine.
        if len(levels) > 1 and not any(each.keeps_up for each in levels[-2:]):
            break
    busiest = knee(levels)
    per_order = taken_by_one(busiest, idle)
    per_order["row_locked_ms"] = await _locked_ms(shop.database_url)
    measured = busiest.offered_per_s
    simulated = knee_per_s(modelled(per_order, idle.cores, psutil.cpu_count() or 1))
    click.echo(f"  knee: {measured:.0f} orders/s measured, {simulated:.0f} simulated")
    return {
        "per_order": per_order,
        "idle": idle._asdict(),
        "knee": {"measured_per_s": measured, "simulated_per_s": simulated},
        "levels": [{**msgspec.to_builtins(each), "keeps_up": each.keeps_up} for each in levels],
    }


async def _warm(shop: Variant) -> float:
    """A shop as it is after a while: tables with orders in them, and statistics of them. Orders a
    second that its clients got of it, which is about where to look for the knee."""
    done = await clients.shop(shop.urls["order"], 8, _WARM_ORDERS)
    clients.demand_equal_work("the warm-up", done)
    await rates.settle(shop)
    connection = await asyncpg.connect(shop.database_url)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    await asyncio.sleep(rates.REPORTED_S)
    return done.orders_per_s


def knee(levels: Sequence[Held]) -> Held:
    """The highest rate that the shop kept up with. `ClickException` where it kept up with none."""
    held = [each for each in levels if each.keeps_up]
    if not held:
        raise click.ClickException("the shop kept up with no rate: the machine has other work")
    return max(held, key=lambda each: each.offered_per_s)


def taken_by_one(held: Held, idle: Rates) -> dict[str, Any]:
    """What one order takes at a rate, beside what a shop takes that is idle."""

    def each(found: dict[str, float], at_none: dict[str, float]) -> dict[str, float]:
        return {key: max(0.0, found[key] - at_none[key]) / held.offered_per_s for key in found}

    cpu_ms = {key: 1000 * value for key, value in each(held.cores, idle.cores).items()}
    named = {f"{name}_cpu_ms": cpu_ms.pop(name) for name in ("client", "database")}
    return {"cpu_ms": cpu_ms, **named, **each(held.counts, idle.counts)}


async def _locked_ms(database_url: str) -> float:
    """From the statement that locks the row of a product's stock to the end of its transaction,
    for the two that an order has, without anybody beside them."""
    wire, total_s = await asyncpg.connect(database_url), 0.0
    c = Connection(wire, None)
    for _ in range(_LOCKS):
        order_id = uuid4()
        for reserves in (True, False):
            begun = time.perf_counter()
            if reserves:
                await inventory.hold(c, order_id, PRODUCT, 1, "order-service")
            else:
                await inventory.commit_many(c, [order_id])
            total_s += time.perf_counter() - begun
    await wire.close()
    return total_s * 1000 / _LOCKS


async def _telemetry(sending: Variant, volume: "TelemetryCounter") -> float:
    """Bytes of telemetry an order, as they are sent."""
    await asyncio.sleep(_REST_S)
    idle_from = volume.bytes
    await asyncio.sleep(_IDLE_S)
    idle_per_s = (volume.bytes - idle_from) / _IDLE_S
    begun, before = time.perf_counter(), volume.bytes
    await clients.shop(sending.urls["order"], 4, _VOLUME_ORDERS)
    await asyncio.sleep(_REST_S)
    more = volume.bytes - before - idle_per_s * (time.perf_counter() - begun)
    return max(0.0, more / _VOLUME_ORDERS)


class TelemetryCounter:
    """A receiver of telemetry that counts bytes and keeps nothing."""

    def __init__(self) -> None:
        self.bytes, self.url = 0, ""

    @contextlib.contextmanager
    def serving(self) -> Iterator["TelemetryCounter"]:
        """It listens while this is open."""
        volume = self

        class Counting(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                volume.bytes += len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not on the bench's own terminal."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            yield self
            server.shutdown()


def modelled(per_order: dict[str, Any], idle_cores: dict[str, float], cores: int) -> Shop:
    """The same service times as a queueing network."""
    cpu_ms, database_ms = per_order["cpu_ms"], per_order["database_cpu_ms"]
    inside = {find(key).name for key in _VISITS}
    order = [ProcessStep("client", per_order["client_cpu_ms"] / 1000)]
    for key in _VISITS:
        name = find(key).name
        order.append(ProcessStep(name, cpu_ms[name] / 1000 / _VISITS.count(key)))
        order.append(ProcessStep("postgres", database_ms / 1000 / len(_VISITS)))
    later = [ProcessStep(name, ms / 1000) for name, ms in cpu_ms.items() if name not in inside]
    return Shop(cores, order, later, sum(idle_cores.values()))
