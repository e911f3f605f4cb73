"""What is done to a small shop: gremlins are let loose on it, and customers come."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence

from chassis.faults.client import GremlinClient
from chassis.faults.contract import PutGremlin
from chassis.http.outbound import Peer
from chassis.outcome import Outcome
from fleet.errors import CannotRun
from fleet.settings import load
from services.order.client import OrderClient
from topology import NAMES
from twins.small_shop import SmallShop
from twins.twin import Fault

# Enough to meet each other, few enough for two cores with two shops on them.
_AT_ONCE = 4
# As long as a gremlin may live: it is called off, or ends with its shop.
_UNTIL_CALLED_OFF_S = 3600
# A request has its budget of five seconds, and a busy machine is slower than that.
_ANSWER_S = 15.0
_PRODUCT = "PROD-001"
_MERCHANT, _AMOUNT_MINOR, _CURRENCY = "m1", 10_000, "EUR"
_WHO = {"X-Valerix-Actor": "twin"}


def describe(fault: Fault) -> str:
    """A fault in words."""
    share = "" if fault.probability == 1 else f", {fault.probability:.0%} of them"
    return f"{fault.kind} bites {NAMES[fault.process]} at {', '.join(fault.routes)}{share}"


@contextlib.asynccontextmanager
async def _asking(shop: SmallShop, key: str) -> AsyncIterator[Peer]:
    peer = Peer(NAMES[key], shop.urls[key], load(key, shop.environ), connections=_AT_ONCE)
    try:
        yield peer
    finally:
        await peer.close()


async def let_loose(shop: SmallShop, faults: Sequence[Fault]) -> None:
    """Let these gremlins loose; raises `CannotRun` where one is refused."""
    for n, fault in enumerate(faults, 1):
        command = PutGremlin(
            kind=fault.kind,
            routes=list(fault.routes),
            probability=fault.probability,
            ttl_s=_UNTIL_CALLED_OFF_S,
        )
        async with _asking(shop, fault.process) as peer:
            put = await GremlinClient(peer).put(f"twin-{n}", command, headers=_WHO)
        if put.outcome is not Outcome.OK:
            raise CannotRun(f"the gremlin {fault.kind} was refused: {put.status} {put.code}")


async def calm(shop: SmallShop) -> None:
    """Call every gremlin of the shop off; raises `CannotRun` where one stays."""
    for key in shop.urls.keys() & NAMES.keys():
        async with _asking(shop, key) as peer:
            ended = await GremlinClient(peer).calm(headers=_WHO)
        if ended.outcome is not Outcome.OK:
            raise CannotRun(f"the gremlins of {NAMES[key]} stay: {ended.status} {ended.code}")


async def serve(shop: SmallShop, door: str, customers: int) -> None:
    """So many customers come, a few at a time: for an order each, or with a payment. What they are
    answered is not kept; the database has what came of it."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        key = f"twin-{secrets.token_hex(8)}"
        async with places:
            if door == "order":
                await OrderClient(peer).place(_PRODUCT, 1, key=key, deadline_s=_ANSWER_S)
            else:
                await _pay(peer, key)

    async with _asking(shop, door) as peer, asyncio.TaskGroup() as crowd:
        for _ in range(customers):
            crowd.create_task(one())


async def _pay(peer: Peer, request_id: str) -> None:
    path = "/process-payment"
    request = {
        "request_id": request_id,
        "merchant_id": _MERCHANT,
        "amount": _AMOUNT_MINOR,
        "currency": _CURRENCY,
    }
    await peer.call("POST", path, request, route=path, deadline_s=_ANSWER_S)
