"""A bad body is refused on every route that reads one, and changes nothing."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.harness.problems import assert_problem
from tests.harness.wire import exchange
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"
_LIMIT = 65_536
# Every endpoint that reads a body: service, method, path, a body that is right, its headers.
DOORS = {
    "orders": ("order", "POST", "/orders", b'{"product_id":"PROD-001","quantity":1}', {}),
    "payments": (
        "payment",
        "POST",
        "/payments",
        b'{"order_id":"%b","amount_minor":9999,"currency":"EUR"}' % _ID.encode(),
        {"Idempotency-Key": "a-key-of-16-chars-or-more"},
    ),
    "cancel a payment": (
        "payment", "POST", f"/payments/{_ID}/cancel", b'{"reason":"REFUND"}', {},
    ),
    "reserve": (
        "inventory",
        "POST",
        "/inventory/reserve",
        b'{"order_id":"%b","product_id":"PROD-001","quantity":1}' % _ID.encode(),
        {},
    ),
    "release": (
        "inventory", "POST", "/inventory/release", b'{"order_id":"%b"}' % _ID.encode(), {},
    ),
    "commit": ("inventory", "POST", "/inventory/commit", b'{"order_id":"%b"}' % _ID.encode(), {}),
    "commits": (
        "inventory", "POST", "/inventory/commits", b'{"order_ids":["%b"]}' % _ID.encode(), {},
    ),
    "restock": (
        "inventory", "POST", "/inventory/restock", b'{"product_id":"PROD-001","quantity":5}', {},
    ),
    "put a gremlin": ("order", "PUT", "/gremlins/g", b'{"kind":"error"}', {}),
    "latency shorthand": ("inventory", "POST", "/gremlin/latency", b'{"enabled":true}', {}),
}  # fmt: skip


async def _send(
    shop: Shop, door: str, body: bytes | AsyncIterator[bytes], media_type: str = "application/json"
) -> httpx.Response:
    service, method, path, _, headers = DOORS[door]
    return await shop.door(service).request(
        method, path, content=body, headers={"Content-Type": media_type, **headers}
    )


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 4096


@pytest.mark.parametrize("door", DOORS)
async def test_a_bad_body_is_refused_on_every_route_and_changes_nothing(shop: Shop, door: str):
    """One of each kind: every row of the contract is tested against the reader itself."""
    right = DOORS[door][3]
    twice = right[:-1] + b"," + right[1:]
    unknown = right[:-1] + b',"discount":100}'
    async with shop.unchanged():
        assert_problem(await _send(shop, door, twice), 400, "malformed")
        problem = assert_problem(await _send(shop, door, unknown), 400, "validation")
        assert problem["details"][0]["pointer"] == "/discount"
        refused = await _send(shop, door, right, "text/plain")
        assert_problem(refused, 415, "unsupported-media-type")
        assert_problem(await _send(shop, door, right.ljust(_LIMIT + 1)), 413, "too-large")
        if door != "cancel a payment":
            assert_problem(await _send(shop, door, b""), 400, "malformed")


async def test_more_than_64_kib_is_too_large_in_chunks(shop: Shop):
    async with shop.unchanged():
        for door in ("orders", "reserve", "payments"):
            assert_problem(await _send(shop, door, _chunks(20)), 413, "too-large")


async def test_a_body_of_exactly_64_kib_is_read(shop: Shop):
    answer = await shop.order.post(
        "/orders", content=b'{"product_id":"PROD-001","quantity":1}'.ljust(_LIMIT)
    )
    assert answer.status_code == 201


async def test_a_content_length_that_lies_far_beyond_the_limit_is_refused_before_the_body(
    shop: Shop,
):
    request = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n"
    async with shop.unchanged():
        assert_problem(await exchange(shop.urls["order"], request), 413, "too-large")


async def test_the_limit_holds_while_a_gremlin_reads_the_body_first(shop: Shop):
    await shop.let_loose("order", "latency", "/orders", delay_ms=1)
    async with shop.unchanged():
        assert_problem(await _send(shop, "orders", _chunks(64)), 413, "too-large")
