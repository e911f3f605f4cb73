"""What only the service can find wrong with a field; the rest is tested against the reader."""

from typing import Any

import pytest

from tests.harness.problems import assert_problem
from tests.harness.stock import delivery
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same in every worker, because it is part of test names.
_ID = "0b5c7f3e-6d1a-4f0e-9a57-3c1f5d2e8b46"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/gremlins/g", {"kind": "latency", "delay_ms": 0}, "/delay_ms"),
        ("/gremlins/g", {"kind": "error", "routes": ["/nowhere"]}, "/routes"),
        ("/gremlins/g", {"kind": "error", "routes": ["DELETE"]}, "/routes"),
        ("/gremlins/g", {"kind": "error", "routes": [""]}, "/routes"),
        ("/gremlins/g", {"kind": "error", "routes": ["/metrics"]}, "/routes"),
        ("/gremlins/g", {"kind": "error", "routes": ["/health/live"]}, "/routes"),
        ("/gremlins/g", {"kind": "error", "routes": ["/gremlins"]}, "/routes"),
        ("/gremlin/latency", {"enabled": True, "delay_ms": 0}, "/delay_ms"),
    ],
)
async def test_a_gremlin_that_could_not_bite_is_refused(
    shop: Shop, path: str, body: dict[str, Any], pointer: str
):
    method = "POST" if path == "/gremlin/latency" else "PUT"
    async with shop.unchanged():
        problem = assert_problem(
            await shop.inventory.request(method, path, json=body), 400, "validation"
        )
        assert problem["details"][0]["pointer"] == pointer


async def test_a_product_that_is_not_for_sale_is_not_found(shop: Shop):
    for product in ("PROD-999", "A", "9" * 64):
        before = await shop.stock()
        answer = await shop.place(product)
        problem = assert_problem(answer, 404, "product-not-found")
        assert problem["details"] == {"product_id": product}
        assert await shop.stock() == before
    async with shop.unchanged():
        body = {"order_id": _ID, "product_id": "PROD-999", "quantity": 1}
        answer = await shop.inventory.post("/inventory/reserve", json=body)
        assert_problem(answer, 404, "product-not-found")
        body = {"product_id": "PROD-999", "quantity": 1}
        answer = await shop.inventory.post("/inventory/restock", json=body)
        assert_problem(answer, 404, "product-not-found")


async def test_a_delivery_that_cannot_be_counted_is_refused(shop: Shop):
    """total and stock are 32-bit integers; the last delivery that fits is taken."""
    body = {"product_id": "PROD-002", "quantity": 1_000_000}
    await shop.eyes.execute(delivery(2_147_000_000 - 1000, where="product_id = 'PROD-002'"))
    async with shop.unchanged():
        answer = await shop.inventory.post("/inventory/restock", json=body)
        assert_problem(answer, 422, "too-many")
