"""What the dashboard reads of an order's life is what happened, moment by moment."""

from uuid import UUID

import pytest

from chassis.database.pool import Database
from frontend.orders.axis import life
from frontend.queries import Queries
from frontend.query_results import OrderDetails
from frontend.web.formatting import utc_now
from tests.harness.serving import settings_of
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def read(shop: Shop, order_id: str) -> OrderDetails:
    database = Database(settings_of("dashboard", shop.database_url))
    try:
        story = await Queries(database).order(UUID(order_id))
    finally:
        await database.close()
    assert story is not None
    return story


async def test_stock_and_money_have_their_moments(shop: Shop):
    order_id = str((await shop.place()).json()["order_id"])
    story = await read(shop, order_id)
    while story.reservation != "COMMITTED":
        story = await read(shop, order_id)
    (attempt,) = story.attempts
    assert [state for state, _ in attempt.states] == ["IN_FLIGHT", "SUCCEEDED"]
    moments = [story.order.created_at, story.reserved_at[0], *(at for _, at in attempt.states)]
    assert moments == sorted(moments)
    assert story.reserved_at[0] < story.reserved_at[1]
    shown = life(story, (), utc_now())
    assert [(lane.label, lane.state, lane.word) for lane in shown.lanes] == [
        ("State", "good", "Confirmed"),
        ("Stock", "good", "sold"),
        ("Money", "good", "paid, 1 try"),
    ]


async def test_an_order_whose_stock_was_never_reserved_has_no_such_moments(shop: Shop):
    await shop.let_loose("inventory", "refuse", "/inventory/reserve")
    story = await read(shop, str((await shop.place()).json()["order_id"]))
    assert (story.reservation, story.reserved_at, story.attempts) == (None, (), ())
    (state,) = life(story, (), utc_now()).lanes
    assert (state.label, state.state) == ("State", "degraded")
