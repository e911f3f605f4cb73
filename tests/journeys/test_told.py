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
        facts = await Queries(database).story(UUID(order_id))
    finally:
        await database.close()
    assert facts is not None
    return facts


async def test_stock_and_money_have_their_moments(shop: Shop):
    order_id = str((await shop.place()).json()["order_id"])
    facts = await read(shop, order_id)
    while facts.reservation != "COMMITTED":
        facts = await read(shop, order_id)
    (attempt,) = facts.attempts
    assert [state for state, _ in attempt.states] == ["IN_FLIGHT", "SUCCEEDED"]
    moments = [facts.order.created_at, facts.reserved_at[0], *(at for _, at in attempt.states)]
    assert moments == sorted(moments)
    assert facts.reserved_at[0] < facts.reserved_at[1]
    shown = life(facts, (), utc_now())
    assert [(lane.label, lane.state, lane.word) for lane in shown.lanes] == [
        ("State", "good", "Confirmed"),
        ("Stock", "good", "sold"),
        ("Money", "good", "paid, 1 try"),
    ]


async def test_an_order_that_was_not_told_has_none(shop: Shop):
    await shop.let_loose("inventory", "refuse", "/inventory/reserve")
    facts = await read(shop, str((await shop.place()).json()["order_id"]))
    assert (facts.reservation, facts.reserved_at, facts.attempts) == (None, (), ())
    (state,) = life(facts, (), utc_now()).lanes
    assert (state.label, state.state) == ("State", "degraded")
