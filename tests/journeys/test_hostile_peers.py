"""The order service against raw sockets that misbehave: bounded in time, and nothing believed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.harness import wire
from tests.harness.patience import LATE_S
from tests.harness.serving import knock
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE_S = 0.8
_HTML = b"<html><h1>502 Bad Gateway</h1></html>"
_OTHER = (
    b'{"order_id":"3fa85f64-5717-4562-b3fc-2c963f66afa6","state":"HELD","product_id":"PROD-001",'
)


async def _junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await wire.read_request(reader)
    writer.write(b"\x15\x03\x01\x00\x02\x02\x50" * 9)
    await writer.drain()


async def _half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await wire.read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


PEERS = {
    "one byte at a time": wire.trickle,
    "silence": wire.silence,
    "a cut connection": wire.reset,
    "junk": _junk,
    "half an answer": _half,
    "a proxy's 502": wire.responds(wire.http(502, _HTML, media_type="text/html")),
    "a proxy's 503": wire.responds(wire.http(503, _HTML, media_type="text/html")),
    "a 500": wire.responds(wire.http(500, b"{}")),
    "a 200 that is no answer": wire.responds(wire.http(200, _HTML, media_type="text/html")),
    "a 200 that is empty": wire.responds(wire.http(200, b"")),
    "an answer about another order": wire.responds(wire.http(200, _OTHER + b'"quantity":1}')),
    "an answer without end": wire.responds(wire.http(200, b" " * 3_000_000)),
    "a redirect": wire.responds(wire.http(302, b"", "Location: http://127.0.0.1:1/")),
    "shed": wire.responds(wire.http(503, b"{}", "X-Valerix-Executed: no")),
}


@asynccontextmanager
async def _order_service(shop: Shop, **urls: str) -> AsyncIterator[httpx.AsyncClient]:
    times = {"peer_deadline_s": DEADLINE_S, "request_budget_s": 1.4, "order_lease_s": 1.6}
    async with shop.run("order", **urls, **times) as url, knock(url) as door:
        yield door


async def _place(door: httpx.AsyncClient) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    answer = await door.post("/orders", json={"product_id": "PROD-001", "quantity": 1}, timeout=20)
    return answer, time.monotonic() - begun


@pytest.mark.parametrize("peer", PEERS)
async def test_whatever_inventory_says_or_not_the_order_is_accepted_in_time(shop: Shop, peer: str):
    async with wire.listen(PEERS[peer]) as url, _order_service(shop, inventory_url=url) as door:
        answer, took_s = await _place(door)
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "PENDING_INVENTORY"
        assert took_s < DEADLINE_S + LATE_S
    # The other replica's inventory is the real one.
    assert (await shop.settled(answer.json()["order_id"]))["status"] == "CONFIRMED"


# The classification is the same (tests/chassis/test_outbound.py); here it is about the goods.
@pytest.mark.parametrize(
    "peer", ["one byte at a time", "a cut connection", "a 500", "a 200 that is no answer", "shed"]
)
async def test_whatever_payment_says_or_not_the_order_keeps_its_goods(shop: Shop, peer: str):
    async with wire.listen(PEERS[peer]) as url, _order_service(shop, payment_url=url) as door:
        answer, took_s = await _place(door)
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "PENDING_PAYMENT"
        assert took_s < DEADLINE_S + LATE_S
        order_id = answer.json()["order_id"]
        assert await shop.hold(order_id) == ("HELD", 1)
    assert (await shop.settled(order_id))["status"] == "CONFIRMED"
    assert await shop.captures(order_id) == ["CAPTURED"]


async def test_nobody_listening_costs_no_time_at_all(shop: Shop):
    async with wire.listen(wire.silence) as gone:
        pass
    async with _order_service(shop, inventory_url=gone) as door:
        answer, _ = await _place(door)
        assert (answer.status_code, answer.json()["status"]) == (202, "PENDING_INVENTORY")
        history = (await door.get(f"{answer.headers['location']}/history")).json()["transitions"]
        # Refused at once, and known not to have been sent.
        assert history[1]["outcome"] == "connect-failed"
    assert (await shop.settled(answer.json()["order_id"]))["status"] == "CONFIRMED"


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refusal_that_is_our_own_fault_ends_the_order_cleanly(shop: Shop, status: int):
    peer = wire.responds(wire.http(status, b'{"code":"validation"}'))
    async with wire.listen(peer) as url, _order_service(shop, inventory_url=url) as door:
        answer, _ = await _place(door)
        assert answer.status_code == 202
        order_id = answer.json()["order_id"]
        alarms = (await door.get("/metrics")).text
        assert "valerix_contract_alarms_total 0.0" not in alarms
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "INTERNAL_CONTRACT")
    assert await shop.hold(order_id) in (None, ("RELEASED", 0))


async def test_health_answers_in_time_though_both_dependencies_hang(shop: Shop):
    async with (
        wire.listen(wire.silence) as url,
        _order_service(shop, inventory_url=url, payment_url=url) as door,
    ):
        begun = time.monotonic()
        answer = await door.get("/health")
        assert time.monotonic() - begun < 0.5 + LATE_S
    assert answer.status_code == 200
    view = answer.json()
    assert (view["status"], view["service"]) == ("degraded", "order-service")
    assert view["dependencies"]["database"] == "connected"
    assert view["dependencies"]["inventory-service"].startswith("unreachable")
