"""Orders left behind are finished by whichever replica comes first, and by looking at them."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from tests.harness.serving import knock
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = {
    # So patient between two tries that only a look or a recovery explains an early one.
    "order": {
        "peer_deadline_s": 0.5, "request_budget_s": 1.0, "order_lease_s": 1.2,
        "reconcile_backoff_s": 60.0, "reconcile_backoff_max_s": 60.0,
    },
}  # fmt: skip


async def _left_behind(shop: Shop) -> str:
    await shop.let_loose("inventory", "refuse", "/inventory/reserve")
    answer = await shop.place(quantity=2)
    assert answer.json()["status"] == "PENDING_INVENTORY"
    await shop.calm()
    return str(answer.json()["order_id"])


async def _due_in_s(shop: Shop, order_id: str) -> float:
    due: float = await shop.eyes.fetchval(
        "SELECT extract(epoch FROM next_attempt_at - now())::float8"
        " FROM orders.orders WHERE id = $1",
        UUID(order_id),
    )
    return due


async def test_looking_at_an_order_that_waits_repairs_it(shop: Shop):
    order_id = await _left_behind(shop)
    assert await _due_in_s(shop, order_id) > 50
    # At most once a second, so that a page that polls is no load.
    await shop.order.get(f"/orders/{order_id}")
    assert await _due_in_s(shop, order_id) > 50
    await asyncio.sleep(1.1)
    shown = await shop.order.get(f"/orders/{order_id}")
    assert shown.json()["status"] == "PENDING_INVENTORY"
    assert (await shop.settled(order_id, within_s=5))["status"] == "CONFIRMED"


async def test_a_dependency_that_is_back_pulls_the_waiting_orders_forward(shop: Shop):
    order_id = await _left_behind(shop)
    assert await _due_in_s(shop, order_id) > 50
    # Somebody else's order is the first to find it well again.
    assert (await shop.place()).status_code == 201
    assert (await shop.settled(order_id, within_s=5))["status"] == "CONFIRMED"


async def test_two_replicas_that_repair_the_same_orders_are_harmless(shop: Shop):
    count = 24
    before = await shop.stock()
    async with shop.run("order") as second, knock(second) as other:
        doors = [shop.order, other] * (count // 2)
        answers = await asyncio.gather(
            *(
                door.post(
                    "/orders",
                    json={"product_id": "PROD-001", "quantity": 1},
                    headers={"X-Timeout-Ms": "0"},
                )
                for door in doors
            )
        )
        ids = [answer.json()["order_id"] for answer in answers]
        # Again and again due at once, so that both drive the same order at the same time.
        for _ in range(30):
            await shop.eyes.execute(
                "UPDATE orders.orders SET next_attempt_at = now()"
                " WHERE status NOT IN ('CONFIRMED', 'FAILED')"
            )
            await asyncio.sleep(0.03)
        rows = [await shop.settled(order_id) for order_id in ids]
        shown = [(await other.get(f"/orders/{order_id}")).json() for order_id in ids]
    assert Counter(row["status"] for row in rows) == {"CONFIRMED": count}
    assert [view["status"] for view in shown] == ["CONFIRMED"] * count
    for order_id in ids:
        assert await shop.captures(order_id) == ["CAPTURED"]
    after = await shop.stock()
    assert after["sold"] == before["sold"] + count
    assert after["reserved"] == before["reserved"]
    gaps = await shop.eyes.fetchval(
        "SELECT count(*) FROM orders.orders o WHERE o.version + 1 <>"
        " (SELECT count(*) FROM orders.history h WHERE h.order_id = o.id)"
    )
    assert gaps == 0


async def test_an_order_survives_the_replica_that_took_it(shop: Shop):
    """The replica stops between its first commit and everything else; another finishes it."""
    async with shop.run("order") as second, knock(second) as other:
        answer = await other.post(
            "/orders",
            json={"product_id": "PROD-001", "quantity": 1},
            headers={"X-Timeout-Ms": "0"},
        )
    order_id = answer.json()["order_id"]
    assert (await shop.row(order_id))["status"] == "PENDING"
    assert (await shop.settled(order_id))["status"] == "CONFIRMED"
