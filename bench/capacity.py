"""What one order takes of everything, and where orders a second bend: for `valerix capacity`."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp
import asyncpg
import click
import psutil

from bench import clients, shops
from bench.baseline import PRODUCT
from bench.queue_simulation import CLIENTS, ProcessStep, Shop, knee_per_s
from bench.shops import Variant
from chassis.database.pool import Connection
from loadtests.knee import Level, find_knee
from services.inventory import store as inventory
from topology import find

_LEVEL_S, _PACED_S, _IDLE_S, _REST_S = 5.0, 15.0, 6.0, 3.0
# Of the orders a second at the knee: busy, and far from waiting.
_PACE = 0.4
_LOCKS = 200
_VOLUME_ORDERS = 100
# An order asks each of its peers, and the first of them once more, for the goods are sold at the
# end; each asks the database after it has worked.
_PEERS = find("order").calls
_VISITS = tuple(step for key in (*_PEERS, _PEERS[0]) for step in ("order", key))
_COUNTS = """
SELECT d.xact_commit AS commits,
       (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal') AS flushes,
       pg_current_wal_lsn() - '0/0' AS wal_bytes
FROM pg_stat_database d WHERE d.datname = current_database()"""
_EVENTS = "SELECT count(*), coalesce(sum(octet_length(envelope)), 0) FROM events.messages"


class _Seen(NamedTuple):
    """Counters of the shop at one moment."""

    at_s: float
    cpu_s: dict[str, float]
    client_s: float
    database_s: float
    counts: dict[str, float]


def measure(
    shop: Variant, server: psutil.Process, sending: Variant, volume: "TelemetryCounter"
) -> Any:
    """The part of the result. `shop` is whole; `sending` sends its telemetry to `volume`."""
    found = asyncio.run(_measure(shop, server))
    with shops.running([sending]):
        found["per_order"]["telemetry_bytes"] = asyncio.run(_telemetry(sending, volume))
    return found


async def _measure(shop: Variant, server: psutil.Process) -> dict[str, Any]:
    url, cores = shop.urls["order"], psutil.cpu_count() or 1
    levels = await _staircase(url)
    knee = find_knee(levels)
    measured = knee.per_s if knee else 0.0
    await asyncio.sleep(_REST_S)
    first = await _look(shop, server)
    await asyncio.sleep(_IDLE_S)
    idle = _per_s(first, await _look(shop, server))
    before = await _look(shop, server)
    orders = await _paced(url, _PACE * measured)
    await asyncio.sleep(_REST_S)
    per_order = _per_order(before, await _look(shop, server), idle, orders)
    per_order["row_locked_ms"] = await _locked_ms(shop.database_url)
    alone_ms = levels[0].mean_ms
    idle_cores = sum(idle["cpu"].values()) + idle["database"]
    simulated = knee_per_s(modelled(per_order, cores, idle_cores, alone_ms))
    click.echo(f"  knee: {measured:.0f} orders/s measured, {simulated:.0f} simulated")
    return {
        "per_order": per_order,
        "idle_cores": idle_cores,
        "knee": {"measured_per_s": measured, "simulated_per_s": simulated},
        "levels": [
            {"clients": each.users, "orders_per_s": each.per_s, "mean_ms": each.mean_ms}
            for each in levels
        ],
    }


async def _staircase(url: str) -> list[Level]:
    found: list[Level] = []
    await clients.shop(url, 4, 100)
    for count in CLIENTS:
        rate = found[-1].per_s if found else 50.0
        done = await clients.shop(url, count, max(100, int(rate * _LEVEL_S)))
        if set(done.answers) != {201} and len(found) > 2:
            # Well past the knee: what is not decided in time goes on by itself.
            break
        clients.demand_equal_work(f"{count} clients", done)
        mean_ms = 1000 * count / done.orders_per_s
        found.append(Level(count, done.orders_per_s, mean_ms, done.p99_ms, 0.0))
        click.echo(f"  {count} clients: {done.orders_per_s:.0f} orders/s, p99 {done.p99_ms:.0f} ms")
    return found


async def _paced(url: str, per_s: float) -> int:
    """Orders at fixed times, whatever the answers do; how many."""
    count, begun = int(per_s * _PACED_S), time.perf_counter()
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:

        async def place() -> None:
            async with session.post(f"{url}/orders", data=clients.ORDER, headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()

        for number in range(count):
            await asyncio.sleep(begun + number / per_s - time.perf_counter())
            group.create_task(place())
    return count


async def _look(shop: Variant, server: psutil.Process) -> _Seen:
    connection = await asyncpg.connect(shop.database_url)
    counts = {key: float(value) for key, value in (await connection.fetchrow(_COUNTS)).items()}
    events, event_bytes = await connection.fetchrow(_EVENTS)
    await connection.close()
    counts |= {"events": float(events), "event_bytes": float(event_bytes)}
    used = {find(key).name: shop.cpu_s_of(key) for key in shop.children}
    return _Seen(
        time.perf_counter(), used, _used_s(psutil.Process()),
        sum(map(_used_s, (server, *server.children()))) + server.cpu_times().children_user
        + server.cpu_times().children_system, counts,
    )  # fmt: skip


def _used_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _per_s(first: _Seen, then: _Seen) -> dict[str, Any]:
    seconds = then.at_s - first.at_s
    return {
        "cpu": {name: (then.cpu_s[name] - first.cpu_s[name]) / seconds for name in then.cpu_s},
        "database": (then.database_s - first.database_s) / seconds,
        "counts": {key: (then.counts[key] - first.counts[key]) / seconds for key in then.counts},
    }


def _per_order(before: _Seen, after: _Seen, idle: dict[str, Any], orders: int) -> dict[str, Any]:
    """What was used, less what would have been without an order, divided by the orders."""
    seconds = after.at_s - before.at_s

    def each(then: float, first: float, idle_per_s: float, unit: float = 1.0) -> float:
        return max(0.0, (then - first - idle_per_s * seconds) * unit / orders)

    cpu_ms = {
        name: each(after.cpu_s[name], before.cpu_s[name], idle["cpu"][name], 1000)
        for name in after.cpu_s
    }
    counts = {
        key: each(after.counts[key], before.counts[key], idle["counts"][key])
        for key in after.counts
    }
    return {
        "cpu_ms": cpu_ms,
        "client_cpu_ms": each(after.client_s, before.client_s, 0.0, 1000),
        "database_cpu_ms": each(after.database_s, before.database_s, idle["database"], 1000),
        **counts,
    }


async def _locked_ms(database_url: str) -> float:
    """From the statement that locks the row of a product's stock to the end of its transaction,
    for the two that an order has, without anybody beside them."""
    wire, total_s = await asyncpg.connect(database_url), 0.0
    c = Connection(wire, None)
    for _ in range(_LOCKS):
        order_id = uuid4()
        for reserves in (True, False):
            await wire.execute("BEGIN")
            begun = time.perf_counter()
            if reserves:
                await inventory.reserve(c, order_id, PRODUCT, 1, "order-service")
            else:
                await inventory.commit(c, order_id)
            await wire.execute("COMMIT")
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


def modelled(per_order: dict[str, Any], cores: int, idle_cores: float, alone_ms: float) -> Shop:
    """The same service times as a queueing network. What an order alone takes longer than its
    processor time is waited for at the database: for its disk, and for timers."""
    cpu_ms, database_ms = per_order["cpu_ms"], per_order["database_cpu_ms"]
    inside = {find(key).name for key in _VISITS}
    foreground_ms = sum(cpu_ms[name] for name in inside) + database_ms + per_order["client_cpu_ms"]
    wait_s = max(0.0, alone_ms - foreground_ms) / 1000 / len(_VISITS)
    order = [ProcessStep("client", per_order["client_cpu_ms"] / 1000)]
    for key in _VISITS:
        name = find(key).name
        order.append(ProcessStep(name, cpu_ms[name] / 1000 / _VISITS.count(key)))
        order.append(ProcessStep("postgres", database_ms / 1000 / len(_VISITS), wait_s))
    later = [ProcessStep(name, ms / 1000) for name, ms in cpu_ms.items() if name not in inside]
    return Shop(cores, order, later, idle_cores)
