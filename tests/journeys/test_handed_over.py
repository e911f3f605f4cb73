"""A confirmed order's goods are sold at once: its due time is only for when that was lost."""

import pytest

from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Nobody looks for due orders while the test runs.
SHOP = {"order": {"reconcile_poll_s": 600.0}}


async def test_the_goods_of_a_confirmed_order_are_sold_before_it_is_due(shop: Shop):
    # The first claim is made at the start; an order that is placed now waits for the next.
    answer = await shop.place("PROD-002", 2)
    assert answer.json()["status"] == "CONFIRMED"
    order_id = answer.json()["order_id"]
    await shop.settled(order_id)
    assert await shop.hold(order_id) == ("COMMITTED", 2)
