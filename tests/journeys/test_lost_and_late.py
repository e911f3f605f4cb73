"""Requests and answers lost, late, doubled or refused on the way: each order still ends once."""

import time
from uuid import uuid4

import httpx
import pytest

from tests.harness.patience import LATE_S
from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE_S = 0.8
# The order service is impatient, so that a fault costs little time here.
SHOP = {
    "order": {"peer_deadline_s": DEADLINE_S, "request_budget_s": 1.8, "order_lease_s": 2.0},
}
RESERVE, CHARGE = ("inventory", "/inventory/reserve"), ("payment", "/payments")
PENDING = {"inventory": "PENDING_INVENTORY", "payment": "PENDING_PAYMENT"}


async def _accepted(shop: Shop, status: str, quantity: int = 2) -> str:
    """Place an order that can only be accepted; its id."""
    begun = time.monotonic()
    answer = await shop.place(quantity=quantity)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == status
    assert time.monotonic() - begun < 1.8 + LATE_S
    return str(answer.json()["order_id"])


async def _ends_well(shop: Shop, order_id: str, quantity: int = 2) -> None:
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("CONFIRMED", None)
    assert await shop.captures(order_id) == ["CAPTURED"]
    assert await shop.hold(order_id) == ("COMMITTED", quantity)


@pytest.mark.parametrize(("service", "route"), [RESERVE, CHARGE])
@pytest.mark.parametrize("kind", ["lost_response", "late"])
async def test_an_effect_whose_answer_never_came_is_found_again_and_happens_once(
    shop: Shop, service: str, route: str, kind: str
):
    before = await shop.stock()
    await shop.let_loose(service, kind, route, delay_ms=1500)
    order_id = await _accepted(shop, PENDING[service])
    # The effect is there: this is what makes it unknown, and not a failure.
    assert await shop.hold(order_id) == ("HELD", 2)
    if service == "payment":
        assert await shop.captures(order_id) == ["CAPTURED"]
    await shop.calm()
    await _ends_well(shop, order_id)
    assert (await shop.stock())["sold"] == before["sold"] + 2


@pytest.mark.parametrize(("service", "route"), [RESERVE, CHARGE])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("refuse", {}),
        ("error", {"status": 503}),
        ("error", {"status": 500}),
        ("hang", {}),
        ("latency", {"delay_ms": 5000}),
    ],
)
async def test_what_was_never_begun_is_done_once_when_the_fault_is_over(
    shop: Shop, service: str, route: str, kind: str, more: dict[str, int]
):
    await shop.let_loose(service, kind, route, **more)
    order_id = await _accepted(shop, PENDING[service])
    # Also the work of a caller that has left is never begun.
    if service == "inventory":
        assert await shop.hold(order_id) is None
    assert await shop.captures(order_id) == []
    await shop.calm()
    await _ends_well(shop, order_id)


async def test_everything_delivered_twice_happens_once(shop: Shop):
    before = await shop.stock()
    await shop.let_loose("inventory", "duplicate")
    await shop.let_loose("payment", "duplicate")
    answer = await shop.place(quantity=2)
    assert answer.status_code in (201, 202)
    order_id = answer.json()["order_id"]
    await _ends_well(shop, order_id)
    assert (await shop.stock())["sold"] == before["sold"] + 2
    assert (await shop.stock())["reserved"] == before["reserved"]


async def test_an_order_is_confirmed_though_its_stock_commit_is_lost_and_sold_once_later(
    shop: Shop,
):
    before = await shop.stock()
    await shop.let_loose("inventory", "lost_response", "/inventory/commits")
    answer = await shop.place(quantity=2)
    assert answer.status_code == 201
    order_id = answer.json()["order_id"]
    await shop.until("SELECT sold = $1 FROM inventory.stock WHERE product_id = 'PROD-001'",
                     before["sold"] + 2)  # fmt: skip
    assert (await shop.row(order_id))["stock_committed_at"] is None
    await shop.calm()
    await _ends_well(shop, order_id)
    assert (await shop.stock())["sold"] == before["sold"] + 2


@pytest.mark.parametrize(
    ("service", "route"),
    [("inventory", "/inventory/release"), ("payment", "/payments/{payment_id}/cancel")],
)
@pytest.mark.parametrize("kind", ["lost_response", "refuse", "hang"])
async def test_a_cancel_whose_undoing_is_lost_is_undone_once_later(
    shop: Shop, service: str, route: str, kind: str
):
    before = await shop.stock()
    await shop.let_loose("payment", "error", "/payments")
    order_id = await _accepted(shop, "PENDING_PAYMENT")
    await shop.let_loose(service, kind, route)
    answer = await shop.order.post(f"/orders/{order_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "CANCELLING")
    # Rule R8: goods are never freed while the money is in doubt.
    if service == "payment":
        assert await shop.hold(order_id) == ("HELD", 2)
    await shop.calm()
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "USER_CANCELLED")
    assert await shop.hold(order_id) == ("RELEASED", 2)
    assert "CAPTURED" not in await shop.captures(order_id)
    assert await shop.stock() == before


async def test_an_order_whose_stock_was_released_behind_its_back_is_given_up_not_sold(shop: Shop):
    await shop.let_loose("inventory", "refuse", "/inventory/reserve")
    order_id = await _accepted(shop, "PENDING_INVENTORY")
    await shop.inventory.post("/inventory/release", json={"order_id": order_id})
    await shop.calm()
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "INTERNAL_CONTRACT")
    assert await shop.captures(order_id) in ([], ["VOIDED"])


async def test_out_of_stock_whose_answer_was_lost_stays_out_of_stock(shop: Shop):
    """Rule R3: a refill in between must not turn the repeat into a yes."""
    await shop.let_loose("inventory", "lost_response", "/inventory/reserve")
    order_id = await _accepted(shop, "PENDING_INVENTORY", quantity=900)
    assert await shop.hold(order_id) == ("REJECTED", 900)
    answer = await shop.inventory.post(
        "/inventory/restock", json={"product_id": "PROD-001", "quantity": 1000}
    )
    assert answer.status_code == 200
    await shop.calm()
    row = await shop.settled(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "OUT_OF_STOCK")


# ---- between the customer and the order service -------------------------------------------------


async def test_a_customer_whose_answer_was_lost_repeats_the_key_and_hears_the_same(shop: Shop):
    key = f"key-{uuid4()}"
    await shop.let_loose("order", "lost_response", "POST /orders")
    with pytest.raises(httpx.TransportError):
        await shop.place(key=key)
    await shop.calm()
    answer = await shop.place(key=key)
    assert answer.status_code == 201
    assert answer.headers["idempotent-replayed"] == "true"
    made = await shop.eyes.fetchval(
        "SELECT count(*) FROM orders.orders WHERE id IN"
        " (SELECT order_id FROM orders.idempotency WHERE key = $1)",
        key,
    )
    assert made == 1


async def test_a_doubled_request_with_a_key_is_one_order(shop: Shop):
    before = await shop.eyes.fetchval("SELECT count(*) FROM orders.orders")
    await shop.let_loose("order", "duplicate", "POST /orders")
    answer = await shop.place(key=f"key-{uuid4()}")
    if answer.status_code == 409:
        assert_problem(answer, 409, "idempotency-in-progress")
    else:
        assert answer.status_code == 201
    assert await shop.eyes.fetchval("SELECT count(*) FROM orders.orders") == before + 1


async def test_a_slow_database_makes_orders_late_and_not_wrong(shop: Shop):
    await shop.let_loose("inventory", "slow_database", delay_ms=900)
    order_id = await _accepted(shop, "PENDING_INVENTORY")
    await shop.calm()
    await _ends_well(shop, order_id)


async def test_the_whole_request_stays_within_its_budget(shop: Shop):
    """Each call has its own deadline; together they have the budget (and not three deadlines)."""
    await shop.let_loose("inventory", "latency", "/inventory/reserve", delay_ms=300)
    await shop.let_loose("payment", "hang", "/payments")
    took_s, placed = [], []
    for _ in range(3):  # the quickest of three: a busy machine is not what is measured
        begun = time.monotonic()
        answer = await shop.order.post(
            "/orders",
            json={"product_id": "PROD-001", "quantity": 1},
            headers={"X-Timeout-Ms": "500"},
        )
        took_s.append(time.monotonic() - begun)
        assert answer.status_code == 202
        placed.append(answer.json()["order_id"])
    assert min(took_s) < 0.95
    await shop.calm()
    for order_id in placed:
        assert (await shop.settled(order_id))["status"] == "CONFIRMED"
