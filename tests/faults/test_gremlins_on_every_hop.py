"""Every kind of gremlin on every hop while sixty orders come at once: nothing is lost, and nobody
is misled but by a wrong answer at the door."""

import time
from typing import Any

import pytest

from chassis.faults.kinds import BY_NAME
from tests.faults.shop_under_fault import BRISK, ORDERS, ShopUnderFault
from tests.harness.customers import Customers, Habits
from topology import find

FLEET_KEYS = ("inventory", "payment", "order")
FLEET_ENVIRON = BRISK

# The routes of each hop that change something; each gets a gremlin of its own, so that the count
# of bites says that every one of them was hurt.
HOPS = {
    "order": ("POST /orders",),
    "inventory": ("/inventory/reserve", "/inventory/release", "/inventory/commits"),
    "payment": ("POST /payments", "/payments/{payment_id}/cancel"),
}
_STRENGTHS: dict[str, dict[str, Any]] = {
    "latency": {"delay_ms": 700, "jitter_ms": 200},  # past the caller's deadline of 600 ms
    "late": {"delay_ms": 700, "jitter_ms": 200},
    "error": {"status": 500},
    "slow_database": {"delay_ms": 20, "jitter_ms": 60},
}
_SHARE = 0.4
# Far more than sixty at once wait for on two busy cores: whoever leaves, leaves for the
# gremlin's sake, and comes again.
_PATIENCE_S = 3.0
# At the door a customer has less of it, or a gremlin would go unnoticed; and fewer are bitten,
# since each of them waits that long.
_PATIENCE_AT_THE_DOOR_S = 1.5
_AT_THE_DOOR = {
    "latency": {"delay_ms": 1800, "probability": 0.25},
    "late": {"delay_ms": 1800, "probability": 0.25},
    "hang": {"probability": 0.25},
}
_BITTEN_WITHIN_S, _A_FEW = 60.0, 4


# One that leaves an effect nobody heard of, where the money is; the others are long.
_SAMPLE = {("lost_response", "payment")}


def _cells() -> list[Any]:
    return [
        pytest.param(kind, hop, marks=[] if (kind, hop) in _SAMPLE else [pytest.mark.long])
        for kind in BY_NAME
        for hop in HOPS
        if find(hop).takes_events or not BY_NAME[kind].on_delivery
    ]


@pytest.mark.parametrize(("kind", "hop"), _cells())
def test_orders_survive(shop: ShopUnderFault, kind: str, hop: str):
    fault = {"kind": kind, "probability": _SHARE, "ttl_s": 120, **_STRENGTHS.get(kind, {})}
    patience_s = _PATIENCE_S
    if hop == "order" and kind in _AT_THE_DOOR:
        fault |= _AT_THE_DOOR[kind]
        patience_s = _PATIENCE_AT_THE_DOOR_S
    # slow_database bites statements, whatever the route.
    routes = ("*",) if kind == "slow_database" else HOPS[hop]
    for number, route in enumerate(routes):
        shop.request("PUT", hop, f"/gremlins/{kind}-{number}", {**fault, "routes": [route]})
    customers = shop.customers(Habits(patience_s=patience_s))
    try:
        shop.rush(customers, ORDERS)
        _order_until_bitten(shop, hop, customers)
    finally:
        shop.calm()
    # What a corrupted answer told a customer is wrong, and meant to be: the proof alone judges.
    misled = (kind, hop) == ("corrupt", "order")
    shop.aftermath([] if misled else [customers])


def _order_until_bitten(shop: ShopUnderFault, hop: str, customers: Customers) -> None:
    """The goods of many orders are sold in one request: a few orders more make another to bite."""
    begun = time.monotonic()
    while unbitten := [
        gremlin["routes"]
        for gremlin in shop.request("GET", hop, "/gremlins")["gremlins"]
        if not gremlin["bites"]
    ]:
        assert time.monotonic() - begun < _BITTEN_WITHIN_S, f"never bitten: {unbitten}"
        shop.rush(customers, _A_FEW)
