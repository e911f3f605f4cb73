"""The promise as it is printed: a dependency that takes three seconds costs two, and no order."""

import time

import pytest

from tests.harness.patience import LATE_S
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _latency(shop: Shop, service: str, **command: object) -> None:
    """The shorthand, as curl sends it."""
    answer = await shop.door(service).post(
        "/gremlin/latency",
        json=command,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("service", "status"), [("inventory", "PENDING_INVENTORY"), ("payment", "PENDING_PAYMENT")]
)
async def test_an_order_is_accepted_after_two_seconds_and_settles_when_the_gremlin_is_off(
    shop: Shop, service: str, status: str
):
    before = await shop.stock()
    await _latency(shop, service, enabled=True, delay_ms=9000)
    begun = time.monotonic()
    answer = await shop.place(quantity=2)
    took_s = time.monotonic() - begun
    assert answer.status_code == 202
    assert 1.9 < took_s < 2 + LATE_S
    view = answer.json()
    order_id = view["order_id"]
    assert answer.headers["location"] == f"/orders/{order_id}"
    assert (view["status"], view["message"]) == (status, "Order is being processed")
    assert view["settled_at"] is None
    await _latency(shop, service, enabled=False)
    assert (await shop.settled(order_id))["status"] == "CONFIRMED"
    assert await shop.captures(order_id) == ["CAPTURED"]
    assert await shop.hold(order_id) == ("COMMITTED", 2)
    assert (await shop.stock())["sold"] == before["sold"] + 2
    assert (await shop.place()).status_code == 201
