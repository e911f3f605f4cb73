"""A shop held at even rates of orders: what each rate takes, and whether the shop keeps up."""

import asyncio
import contextlib
import time
from typing import NamedTuple

import aiohttp
import asyncpg
import click
import psutil
from msgspec import Struct

from bench.clients import ORDER
from bench.events import until_consumed
from bench.shops import Variant
from observatory.sla import LIMIT_S
from topology import find

# Such a share of the orders has to be confirmed within the second that a light allows.
_DONE = 0.99
# A backend that has nothing to do tells the server within ten seconds what it did.
REPORTED_S = 11.0
# A consumer that is behind when the orders end has so long to have taken everything.
_BEHIND_S = 2.0
_COUNTS = """
SELECT d.xact_commit AS commits,
       (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal') AS flushes,
       (SELECT wal_records FROM pg_stat_wal) AS wal_records,
       pg_current_wal_lsn() - '0/0' AS wal_bytes
FROM pg_stat_database d WHERE d.datname = current_database()"""
_EVENTS = "SELECT count(*), coalesce(sum(octet_length(envelope)), 0) FROM events.messages"


class Used(NamedTuple):
    """Counters of the shop at one moment: processor seconds by process, `client` and `database`
    among them, and what the database counts."""

    at_s: float
    cpu_s: dict[str, float]
    counts: dict[str, float]


class Pace(Struct, frozen=True):
    """How a shop did at so many orders a second: which share of them was confirmed within a second
    of the time it was due, and how long after the last answer there was still something to do."""

    offered_per_s: float
    in_time: float
    p99_ms: float
    behind_s: float

    @property
    def keeps_up(self) -> bool:
        """What is offered is confirmed in time, and nothing is put off."""
        return self.in_time >= _DONE and self.behind_s < _BEHIND_S


class Held(Pace, frozen=True):
    """The same, measured. `cores` by process and `counts` are what each second of orders took,
    with what was left to do at the end."""

    cores: dict[str, float]
    counts: dict[str, float]


class Rates(NamedTuple):
    """What is taken in each second: cores by process, and counts."""

    cores: dict[str, float]
    counts: dict[str, float]


async def settle(shop: Variant) -> float:
    """Until no event is on its way; how many seconds that took."""
    begun = time.perf_counter()
    connection = await asyncpg.connect(shop.database_url)
    try:
        await until_consumed(connection)
    finally:
        await connection.close()
    return time.perf_counter() - begun


async def look(shop: Variant, server: psutil.Process) -> Used:
    """The counters now."""
    connection = await asyncpg.connect(shop.database_url)
    counts = {key: float(value) for key, value in (await connection.fetchrow(_COUNTS)).items()}
    events, event_bytes = await connection.fetchrow(_EVENTS)
    await connection.close()
    counts |= {"events": float(events), "event_bytes": float(event_bytes)}
    cpu_s = {find(key).name: shop.cpu_s_of(key) for key in shop.children}
    cpu_s["database"] = database_s(server)
    used = psutil.Process().cpu_times()
    cpu_s["client"] = used.user + used.system
    return Used(time.perf_counter(), cpu_s, counts)


def per_s(first: Used, then: Used) -> Rates:
    """What was taken between the two."""
    seconds = then.at_s - first.at_s
    return Rates(
        {name: (then.cpu_s[name] - used) / seconds for name, used in first.cpu_s.items()},
        {name: (then.counts[name] - seen) / seconds for name, seen in first.counts.items()},
    )


async def hold(
    shop: Variant, server: psutil.Process, rate: float, seconds: float, idle: Rates
) -> Held:
    """Orders at fixed times, whatever the answers do, and then until nothing is on its way."""
    first = await look(shop, server)
    answers = await _paced(shop.urls["order"], rate, seconds)
    behind_s = await settle(shop)
    await asyncio.sleep(REPORTED_S)
    then = await look(shop, server)
    used, whole_s = per_s(first, then), then.at_s - first.at_s

    def each(found: dict[str, float], idle_per_s: dict[str, float]) -> dict[str, float]:
        # The longer the end took, the longer the shop was idle beside it.
        return {
            key: idle_per_s[key] + (found[key] - idle_per_s[key]) * whole_s / seconds
            for key in found
        }

    held = Held(
        rate,
        sum(status == 201 and took <= LIMIT_S for took, status in answers) / len(answers),
        1000 * sorted(answers)[int(len(answers) * 0.99)][0],
        behind_s,
        each(used.cores, idle.cores),
        each(used.counts, idle.counts),
    )
    click.echo(
        f"  {rate:.0f} orders/s: {held.in_time:.1%} in time, p99 {held.p99_ms:.0f} ms,"
        f" {behind_s:.1f} s behind, {sum(held.cores.values()):.2f} cores"
    )
    return held


async def _paced(url: str, rate: float, seconds: float) -> list[tuple[float, int]]:
    """How many seconds after its time each order was answered, and with which status."""
    answers: list[tuple[float, int]] = []
    headers, begun = {"Content-Type": "application/json"}, time.perf_counter()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

        async def place(due: float) -> None:
            async with session.post(f"{url}/orders", data=ORDER, headers=headers) as answer:
                await answer.read()
                answers.append((time.perf_counter() - due, answer.status))

        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(due - time.perf_counter())
            group.create_task(place(due))
    return answers


def database_s(server: psutil.Process) -> float:
    """What the server and its backends have used so far, those that have ended included."""
    while True:
        # One that ends while it is read is among the ended a moment later.
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(map(used_s, (server, *server.children())))


def used_s(process: psutil.Process) -> float:
    """Processor seconds that it and those of its children that have ended have used so far."""
    return float(sum(process.cpu_times()[:4]))
