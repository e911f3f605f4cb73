"""What the dashboard reads of an order's life is what happened, moment by moment."""

from uuid import UUID

import pytest

from chassis.database.pool import Database
from frontend.orders.axis import life
from frontend.orders.presenter import story
from frontend.queries import Queries
from frontend.query_results import OrderDetails
from frontend.web.formatting import utc_now
from tests.harness.serving import settings_of
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def read(shop: Shop, order_id: str) -> OrderDetails:
    database = Database(settings_of("dashboard", shop.database_url))
    try:
        found = await Queries(database).order(UUID(order_id))
    finally:
        await database.close()
    assert found is not None
    return found


async def test_stock_and_money_have_their_moments(shop: Shop):
    order_id = str((await shop.place()).json()["order_id"])
    found = await read(shop, order_id)
    while found.reservation != "COMMITTED":
        found = await read(shop, order_id)
    (attempt,) = found.attempts
    assert [state for state, _ in attempt.states] == ["IN_FLIGHT", "SUCCEEDED"]
    moments = [found.order.created_at, found.reserved_at[0], *(at for _, at in attempt.states)]
    assert moments == sorted(moments)
    assert found.reserved_at[0] < found.reserved_at[1]
    shown = life(found, (), utc_now())
    assert [(lane.label, lane.state, lane.word) for lane in shown.lanes] == [
        ("State", "good", "Confirmed"),
        ("Stock", "good", "sold"),
        ("Money", "good", "paid, 1 try"),
    ]


async def test_a_refunded_order_is_no_longer_called_confirmed(shop: Shop):
    order = (await shop.place()).json()
    cancel = f"/payments/{order['payment_id']}/cancel"
    assert (await shop.payment.post(cancel, json={"reason": "REFUND"})).status_code == 200
    found = await read(shop, str(order["order_id"]))
    shown = story(found)
    assert (shown.row.state, shown.row.word) == ("refused", "Refunded")
    assert life(found, (), utc_now()).lanes[0].word == "Refunded"


async def test_an_order_whose_stock_was_never_reserved_has_no_such_moments(shop: Shop):
    await shop.let_loose("inventory", "refuse", "/inventory/reserve")
    found = await read(shop, str((await shop.place()).json()["order_id"]))
    assert (found.reservation, found.reserved_at, found.attempts) == (None, (), ())
    (state,) = life(found, (), utc_now()).lanes
    assert (state.label, state.state) == ("State", "degraded")
