"""Orders that nobody could finish in time are given up in the right order: money, then goods."""

from uuid import UUID

import pytest

from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = {
    "order": {
        "order_deadline_s": 0.8, "peer_deadline_s": 0.3, "request_budget_s": 0.6,
        "order_lease_s": 0.7,
    },
}  # fmt: skip


async def test_an_order_that_never_got_goods_is_given_up_after_its_time(shop: Shop):
    before = await shop.stock()
    await shop.let_loose("inventory", "lost_response", "/inventory/reserve")
    order_id = (await shop.place(quantity=2)).json()["order_id"]
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "INVENTORY_TIMEOUT")
    assert await shop.hold(order_id) == ("RELEASED", 2)
    assert await shop.stock() == before
    assert "CAPTURED" not in await shop.captures(order_id)


async def test_an_order_that_never_heard_of_its_money_is_given_up_and_refunded(shop: Shop):
    before = await shop.stock()
    await shop.let_loose("payment", "lost_response", "/payments", "/payments/{payment_id}")
    order_id = (await shop.place(quantity=2)).json()["order_id"]
    assert await shop.captures(order_id) == ["CAPTURED"]
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "PAYMENT_TIMEOUT")
    assert await shop.captures(order_id) == ["REFUNDED"]
    assert await shop.stock() == before


async def test_money_that_was_taken_before_the_time_was_up_still_counts(shop: Shop):
    """The last look: the charge's answer was lost, but asking for it says SUCCEEDED."""
    await shop.let_loose("payment", "lost_response", "/payments")
    order_id = (await shop.place(quantity=2)).json()["order_id"]
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("CONFIRMED", None)
    assert await shop.captures(order_id) == ["CAPTURED"]


async def test_an_order_that_was_paid_and_not_recorded_still_counts(shop: Shop):
    """The process died between the charge and its record: the row says PENDING, and it is late."""
    before = await shop.stock()
    await shop.let_loose("payment", "lost_response", "/payments")
    order_id = (await shop.place(quantity=2)).json()["order_id"]
    async with shop.eyes.transaction():
        await shop.eyes.execute("SET LOCAL session_replication_role = replica")
        await shop.eyes.execute(
            "UPDATE orders.orders SET status = 'PENDING', deadline_at = now(), attempts = 0,"
            " last_outcome = NULL, next_attempt_at = now() WHERE id = $1", UUID(order_id),
        )  # fmt: skip
    await shop.calm()
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("CONFIRMED", None)
    assert await shop.captures(order_id) == ["CAPTURED"]
    assert (await shop.stock())["sold"] == before["sold"] + 2


async def test_goods_stay_held_while_the_money_is_in_doubt(shop: Shop):
    await shop.let_loose("payment", "refuse")
    order_id = (await shop.place(quantity=2)).json()["order_id"]
    await shop.until("SELECT status = 'CANCELLING' AND attempts > 2 FROM orders.orders"
                     " WHERE id::text = $1", order_id)  # fmt: skip
    assert await shop.hold(order_id) == ("HELD", 2)
    await shop.calm()
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "PAYMENT_TIMEOUT")
    assert await shop.hold(order_id) == ("RELEASED", 2)
