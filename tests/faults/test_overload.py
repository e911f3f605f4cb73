"""More customers than the shop can serve, slow ones among them, and a gremlin on top."""

import asyncio
import socket
import time
from urllib.parse import urlsplit

from loadtests.intent import Intent
from tests.faults.shoppers import Crowd, Habits
from tests.faults.stage import BRISK, Stage

FLEET_KEYS = ("inventory", "payment", "order")
_PLACES = 48
FLEET_ENVIRON = BRISK | {
    "VALERIX_ORDER_MAX_IN_FLIGHT": str(_PLACES),
    "VALERIX_BODY_TIMEOUT_S": "1.0",
}
_FAULT_S = 4.0


def test_twice_the_load_and_a_gremlin_are_shed_and_survived(stage: Stage):
    """Twice as many customers as places, none of whom waits long before asking again."""
    slow = {"kind": "latency", "delay_ms": 500, "jitter_ms": 300, "probability": 0.5, "ttl_s": 60}
    crowd = stage.crowd(Habits(patience_s=3.0, tries=4, pause_s=0.05, rest_s=0))
    with stage.shopping(crowd, 2 * _PLACES):
        time.sleep(1.0)
        stage.tell("PUT", "inventory", "/gremlins/slow", {**slow, "routes": ["*"]})
        time.sleep(_FAULT_S)
        stage.calm()
    stage.aftermath([crowd])
    shed = [word for wish in crowd.wishes for word in wish.replies if word.code == "overloaded"]
    assert shed, "nobody was shed: the load was no overload"
    assert not any(word.executed for word in shed)
    _demand_recovery(stage)


def test_customers_who_never_finish_speaking_keep_nobody_else_out(stage: Stage):
    """Connections that send half a request hold a place for the body's time limit, no longer."""
    door = urlsplit(stage.doors[0])
    slow = [socket.create_connection((door.hostname, door.port)) for _ in range(2 * _PLACES)]
    try:
        for each in slow:
            each.sendall(
                b"POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
                b'Content-Length: 38\r\n\r\n{"product_id":'
            )
        crowd = stage.crowd()
        asyncio.run(crowd.rush(20))
        # The first half found a place and were told that their time is up, the others were shed.
        heard = sorted(each.recv(4096).split(b" ")[1] for each in slow)
    finally:
        for each in slow:
            each.close()
    assert set(heard) == {b"408", b"503"}
    stage.aftermath([crowd])
    assert all(_word_of(wish) in (201, 202, 402, 409) for wish in crowd.wishes)


def _demand_recovery(stage: Stage) -> None:
    """By itself and at once: a few customers are served as if nothing had been."""
    crowd: Crowd = stage.crowd(Habits(hasty=0, fickle=0, curious=0))
    asyncio.run(crowd.rush(8))
    assert {_word_of(wish) for wish in crowd.wishes} <= {201, 402, 409}
    stage.aftermath([crowd])


def _word_of(wish: Intent) -> int:
    return wish.replies[-1].status
