"""What the bus does: events a second through the relay, and how soon an event is consumed."""

import asyncio
import time
from typing import Any

import aiohttp
import asyncpg
import click

from bench.clients import ORDER
from bench.shops import Variant
from topology import SHOP, find

# Two of each aggregate, as orders have: enough to take a relay ten seconds.
BACKLOG = 20_000
CONSUMERS = tuple(process.name for process in SHOP if process.takes_events)
BUS = tuple(process.key for process in SHOP if process.is_background)
BUYING = (*find("order").calls, "order", *BUS)
# Seven events an order are about a hundred events a second.
_ORDERS_PER_S, _PACED_S = 14, 20
_WAIT_S = 180.0
_POLL_S = 0.2
_FILL = """
INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)
SELECT 'order', i.id, n, CASE n WHEN 1 THEN 'order.created' ELSE 'order.confirmed' END,
       jsonb_build_object('order_id', i.id, 'payment_id', i.id, 'amount_minor', 9999,
                          'currency', 'EUR')
       || CASE n WHEN 1 THEN '{"product_id": "PROD-001", "quantity": 1}' ELSE '{}' END::jsonb
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) i, generate_series(1, 2) n
ORDER BY i.id, n"""
_CONFIRMED = """
SELECT count(*) / extract(epoch FROM max(confirmed_at) - min(confirmed_at)) FROM orders.outbox"""
_CONSUMED = """
SELECT count(*) / extract(epoch FROM max(at) - min(at)) FROM events.inbox WHERE consumer = $1"""
# From the trigger that wrote an event to the transaction of its effect.
_DELAYS = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (
         ORDER BY extract(epoch FROM i.at - e.at) * 1000), count(*)
FROM ({every}) e JOIN events.inbox i USING (event_id) WHERE i.consumer = $1"""


async def drain(shop: Variant) -> dict[str, float]:
    """Events a second that the relay gets confirmed and each consumer takes, of a backlog that was
    there before they started. The shop is not open yet."""
    connection = await asyncpg.connect(shop.database_url)
    try:
        await connection.execute(_FILL, BACKLOG // 2)
        await asyncio.to_thread(shop.start)
        await until_consumed(connection)
        found = {"relay": float(await connection.fetchval(_CONFIRMED))}
        for consumer in CONSUMERS:
            taken = await connection.fetchval(_CONSUMED, consumer)
            found[consumer] = float(taken or 0)
        return found
    finally:
        await connection.close()


async def follow(shop: Variant) -> dict[str, float]:
    """Milliseconds from an event's transaction to that of its effect in the audit log, while
    orders come at an even pace."""
    await _buy(shop)
    connection = await asyncpg.connect(shop.database_url)
    try:
        await until_consumed(connection)
        every = " UNION ALL ".join(
            f"SELECT event_id, at FROM {schema}.outbox"  # noqa: S608 - from the topology
            for schema in await _rooms(connection)
        )
        delays, events = await connection.fetchrow(_DELAYS.format(every=every), "audit-consumer")
        return {"p50_ms": delays[0], "p99_ms": delays[1], "events_per_s": events / _PACED_S}
    finally:
        await connection.close()


async def _buy(shop: Variant) -> None:
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:

        async def order() -> None:
            async with session.post(
                f"{shop.urls['order']}/orders", data=ORDER, headers=headers
            ) as answer:
                await answer.read()

        buying, begun = set(), time.monotonic()
        for number in range(_ORDERS_PER_S * _PACED_S):
            await asyncio.sleep(max(0.0, begun + number / _ORDERS_PER_S - time.monotonic()))
            buying.add(asyncio.create_task(order()))
        await asyncio.gather(*buying)


async def until_consumed(connection: asyncpg.Connection) -> None:
    """Until every outbox is confirmed and no consumer has anything left to take."""
    rooms = await _rooms(connection)
    waiting = " UNION ALL ".join(
        f"SELECT 1 FROM {schema}.outbox WHERE confirmed_at IS NULL"  # noqa: S608 - as above
        for schema in rooms
    )
    end = time.monotonic() + _WAIT_S
    while True:
        seen = await connection.fetchval("SELECT count(*) FROM events.inbox")
        await asyncio.sleep(_POLL_S)
        still = await connection.fetchval(f"SELECT EXISTS ({waiting})")
        if not still and seen == await connection.fetchval("SELECT count(*) FROM events.inbox"):
            return
        if time.monotonic() > end:
            raise click.ClickException(f"events are still on their way after {_WAIT_S:.0f} s")


async def _rooms(connection: asyncpg.Connection) -> list[str]:
    schemas = [process.schema for process in SHOP if process.schema]
    rows = await connection.fetch(
        "SELECT room FROM unnest($1::text[]) room"
        " WHERE to_regclass(format('%I.outbox', room)) IS NOT NULL",
        schemas,
    )
    return [row["room"] for row in rows]


def measure(backlogs: dict[str, Variant], buying: dict[str, Variant]) -> dict[str, Any]:
    """By transport; each shop is opened for its part and closed after it."""
    found: dict[str, Any] = {}
    for transport, shop in backlogs.items():
        try:
            found[transport] = asyncio.run(drain(shop))
        finally:
            shop.stop()
        open_shop = buying[transport]
        try:
            open_shop.start()
            found[transport] |= asyncio.run(follow(open_shop))
        finally:
            open_shop.stop()
    return found
