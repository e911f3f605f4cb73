"""A provider that declines everything: 402, the order FAILED, the goods back on the shelf."""

import pytest

from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = {
    "payment": {"payment_decline_rate": 1.0},
    "order": {"peer_deadline_s": 1.5, "request_budget_s": 3.2, "order_lease_s": 3.5},
}


async def test_a_declined_order_fails_and_gives_its_goods_back(shop: Shop):
    before = await shop.stock()
    answer = await shop.place(quantity=2)
    problem = assert_problem(answer, 402, "payment-declined")
    order_id = problem["details"]["order_id"]
    assert problem["details"]["reason"] == "PAYMENT_DECLINED"
    assert answer.headers["location"] == f"/orders/{order_id}"
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "PAYMENT_DECLINED")
    assert await shop.stock() == before
    assert await shop.hold(order_id) == ("RELEASED", 2)
    assert await shop.captures(order_id) == ["DECLINED"]


async def test_a_decline_is_replayed_byte_for_byte(shop: Shop):
    key = "a-key-for-one-declined-order"
    first, second = await shop.place(key=key), await shop.place(key=key)
    assert first.status_code == second.status_code == 402
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("kind", ["lost_response", "refuse"])
async def test_a_decline_is_answered_though_the_goods_come_back_only_later(shop: Shop, kind: str):
    before = await shop.stock()
    await shop.let_loose("inventory", kind, "/inventory/release")
    answer = await shop.place(quantity=2)
    problem = assert_problem(answer, 402, "payment-declined")
    order_id = problem["details"]["order_id"]
    assert problem["details"]["status"] == "CANCELLING"
    await shop.calm()
    assert (await shop.settled(order_id))["reason"] == "PAYMENT_DECLINED"
    assert await shop.stock() == before


async def test_a_decline_whose_answer_was_lost_is_still_a_decline(shop: Shop):
    before = await shop.stock()
    await shop.let_loose("payment", "lost_response", "/payments")
    answer = await shop.place(quantity=2)
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING_PAYMENT")
    await shop.calm()
    row = await shop.settled(answer.json()["order_id"])
    assert (row["status"], row["reason"]) == ("FAILED", "PAYMENT_DECLINED")
    assert await shop.stock() == before


async def test_a_declined_order_cannot_be_cancelled(shop: Shop):
    order_id = (await shop.place()).json()["details"]["order_id"]
    await shop.settled(order_id)
    answer = await shop.order.post(f"/orders/{order_id}/cancel")
    assert_problem(answer, 409, "state-conflict")
