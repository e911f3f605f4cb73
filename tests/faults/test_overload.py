"""More customers than the shop can serve, slow ones among them, and a gremlin on top."""

import socket
import time
from urllib.parse import urlsplit

import pytest

from proof.clients.intent import Intent
from tests.faults.shop_under_fault import BRISK, ShopUnderFault
from tests.harness.customers import Customers, Habits

FLEET_KEYS = ("inventory", "payment", "order")
_PLACES = 48
FLEET_ENVIRON = BRISK | {
    "VALERIX_ORDER_MAX_IN_FLIGHT": str(_PLACES),
    "VALERIX_BODY_TIMEOUT_S": "1.0",
}
_FAULT_S = 4.0


@pytest.mark.long
def test_twice_the_load_and_a_gremlin_are_shed_and_survived(shop: ShopUnderFault):
    """Twice as many customers as places, none of whom waits long before asking again."""
    slow = {"kind": "latency", "delay_ms": 500, "jitter_ms": 300, "probability": 0.5, "ttl_s": 60}
    customers = shop.customers(Habits(patience_s=3.0, tries=4, pause_s=0.05, rest_s=0))
    with shop.shopping(customers, 2 * _PLACES):
        time.sleep(1.0)
        shop.request("PUT", "inventory", "/gremlins/slow", {**slow, "routes": ["*"]})
        time.sleep(_FAULT_S)
        shop.calm()
    shop.aftermath([customers])
    shed = [
        reply
        for intent in customers.intents
        for reply in intent.replies
        if reply.code == "overloaded"
    ]
    assert shed, "nobody was shed: the load was no overload"
    assert not any(reply.executed for reply in shed)
    _demand_recovery(shop)


def test_customers_who_never_finish_speaking_keep_nobody_else_out(shop: ShopUnderFault):
    """Connections that send half a request hold a place for the body's time limit, no longer."""
    door = urlsplit(shop.doors[0])
    slow = [socket.create_connection((door.hostname, door.port)) for _ in range(2 * _PLACES)]
    try:
        for each in slow:
            each.sendall(
                b"POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
                b'Content-Length: 38\r\n\r\n{"product_id":'
            )
        customers = shop.customers()
        shop.rush(customers, 20)
        # The first half found a place and were told that their time is up, the others were shed.
        heard = sorted(each.recv(4096).split(b" ")[1] for each in slow)
    finally:
        for each in slow:
            each.close()
    assert set(heard) == {b"408", b"503"}
    shop.aftermath([customers])
    assert all(_status_of(intent) in (201, 202, 402, 409) for intent in customers.intents)


def _demand_recovery(shop: ShopUnderFault) -> None:
    """By itself and at once: a few customers are served as if nothing had been."""
    customers: Customers = shop.customers(Habits(sends_twice=0, cancels=0, asks_again=0))
    shop.rush(customers, 8)
    assert {_status_of(intent) for intent in customers.intents} <= {201, 402, 409}
    shop.aftermath([customers])


def _status_of(intent: Intent) -> int:
    return intent.replies[-1].status
