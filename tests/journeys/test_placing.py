"""An order through the healthy shop, to each of its ends, and cancelling it on the way."""

import asyncio
import re
from uuid import UUID, uuid4

import pytest

from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_good_order_is_confirmed_paid_once_and_its_goods_are_sold(shop: Shop):
    before = await shop.stock("PROD-002")
    answer = await shop.place("PROD-002", 3)
    assert answer.status_code == 201
    view = answer.json()
    order_id = view["order_id"]
    assert answer.headers["location"] == f"/orders/{order_id}"
    assert (view["status"], view["reason"], view["message"]) == (
        "CONFIRMED", None, "Order is confirmed",
    )  # fmt: skip
    assert (view["unit_price_minor"], view["amount_minor"]) == (9999, 3 * 9999)
    assert view["currency"] == "EUR"
    assert view["latency_ms"] > 0
    await shop.settled(order_id)
    assert await shop.captures(order_id) == ["CAPTURED"]
    assert await shop.hold(order_id) == ("COMMITTED", 3)
    after = await shop.stock("PROD-002")
    assert after["stock"] == before["stock"] - 3
    assert after["sold"] == before["sold"] + 3
    shown = (await shop.order.get(f"/orders/{order_id}")).json()
    assert shown["stock_committed"]
    history = (await shop.order.get(f"/orders/{order_id}/history")).json()["transitions"]
    assert [step["dst"] for step in history] == ["PENDING", "CONFIRMED", "CONFIRMED"]
    assert [step["version"] for step in history] == [0, 1, 2]


async def test_an_order_for_more_than_there_is_fails_at_once_and_holds_nothing(shop: Shop):
    before = await shop.stock("PROD-003")
    answer = await shop.place("PROD-003", 1000)
    problem = assert_problem(answer, 409, "out-of-stock")
    order_id = problem["details"]["order_id"]
    row = await shop.row(order_id)
    assert (row["status"], row["reason"]) == ("FAILED", "OUT_OF_STOCK")
    assert answer.headers["location"] == f"/orders/{order_id}"
    assert await shop.stock("PROD-003") == before
    assert await shop.captures(order_id) == []
    assert await shop.hold(order_id) == ("REJECTED", 1000)


async def test_the_last_units_are_sold_once(shop: Shop):
    left = (await shop.stock("PROD-003"))["stock"]
    answers = await asyncio.gather(*(shop.place("PROD-003", 10) for _ in range(left // 10 + 5)))
    confirmed = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(confirmed) == left // 10
    assert len(confirmed) + len(refused) == len(answers)
    for answer in confirmed:
        await shop.settled(answer.json()["order_id"])
    assert (await shop.stock("PROD-003"))["stock"] == left % 10


async def test_the_price_of_an_order_is_the_price_when_it_was_placed(shop: Shop):
    first = (await shop.place("PROD-002", 2)).json()
    await shop.eyes.execute(
        "UPDATE orders.products SET price_minor = 10 WHERE product_id = 'PROD-002'"
    )
    second = (await shop.place("PROD-002", 2)).json()
    await shop.eyes.execute(
        "UPDATE orders.products SET price_minor = 9999 WHERE product_id = 'PROD-002'"
    )
    assert (first["amount_minor"], second["amount_minor"]) == (19_998, 20)
    shown = (await shop.order.get(f"/orders/{first['order_id']}")).json()
    assert shown["amount_minor"] == 19_998


async def test_one_order_is_one_trace_in_every_service(shop: Shop):
    trace_id = uuid4().hex
    answer = await shop.order.post(
        "/orders",
        json={"product_id": "PROD-001", "quantity": 1},
        headers={"traceparent": f"00-{trace_id}-{'b' * 16}-01"},
    )
    order_id = answer.json()["order_id"]
    assert answer.headers["x-trace-id"] == trace_id
    await shop.settled(order_id)
    for table, column in (("orders.orders", "id"), ("payments.payments", "order_id")):
        stored = await shop.eyes.fetchval(
            f"SELECT traceparent FROM {table} WHERE {column} = $1", UUID(order_id)
        )
        assert re.fullmatch(rf"00-{trace_id}-[0-9a-f]{{16}}-01", stored), table
    history = (await shop.order.get(f"/orders/{order_id}/history")).json()["transitions"]
    assert [step["trace_id"] == trace_id for step in history[:2]] == [True] * 2


async def test_the_lines_of_one_request_carry_its_trace_in_every_service(
    shop: Shop, request_lines: list[dict[str, object]]
):
    answer = await shop.place()
    await shop.settled(answer.json()["order_id"])
    trace_id = answer.headers["x-trace-id"]
    routes = {line["route"] for line in request_lines if line["trace_id"] == trace_id}
    assert routes >= {"/orders", "/inventory/reserve", "/payments"}
    spans = [line["span_id"] for line in request_lines]
    assert len(spans) == len(set(spans))


async def test_the_shop_counts_what_it_answered(shop: Shop):
    async def counted() -> dict[str, float]:
        text = (await shop.order.get("/metrics")).text
        found = re.findall(r'^valerix_orders_total\{outcome="(\w+)"\} (\S+)', text, re.M)
        return {outcome: float(count) for outcome, count in found}

    before = await counted()
    await shop.place()
    await shop.place("PROD-003", 1000)
    await shop.place("PROD-999")
    late = await shop.order.post(
        "/orders", json={"product_id": "PROD-001", "quantity": 1}, headers={"X-Timeout-Ms": "0"}
    )
    after = await counted()
    grown = {k: after[k] - before[k] for k in after if after[k] != before[k]}
    assert grown == {"confirmed": 1, "out_of_stock": 1, "failed": 1, "degraded": 1}
    await shop.order.post(f"/orders/{late.json()['order_id']}/cancel")


# ---- cancelling ---------------------------------------------------------------------------------


async def _place_without_time(shop: Shop) -> str:
    """An order that was accepted and not begun: PENDING, with nobody driving it for a while."""
    answer = await shop.order.post(
        "/orders", json={"product_id": "PROD-001", "quantity": 2}, headers={"X-Timeout-Ms": "0"}
    )
    assert answer.json()["status"] == "PENDING"
    return str(answer.json()["order_id"])


async def test_an_order_not_begun_can_be_cancelled_and_then_never_holds_goods(shop: Shop):
    order_id = await _place_without_time(shop)
    before = await shop.stock()
    answer = await shop.order.post(f"/orders/{order_id}/cancel")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reason"]) == ("FAILED", "USER_CANCELLED")
    # The tombstones: whatever of it was still under way comes too late.
    late = await shop.inventory.post(
        "/inventory/reserve", json={"order_id": order_id, "product_id": "PROD-001", "quantity": 2}
    )
    assert_problem(late, 409, "fenced")
    late = await shop.payment.post(
        "/payments",
        json={"order_id": order_id, "amount_minor": 19_998, "currency": "EUR"},
        headers={"Idempotency-Key": f"charge-{order_id}"},
    )
    assert_problem(late, 409, "fenced")
    assert await shop.stock() == before
    assert "CAPTURED" not in await shop.captures(order_id)


async def test_an_order_that_holds_goods_can_be_cancelled_and_gives_them_back(shop: Shop):
    order_id = await _place_without_time(shop)
    before = await shop.stock()
    await shop.inventory.post(
        "/inventory/reserve", json={"order_id": order_id, "product_id": "PROD-001", "quantity": 2}
    )
    await _set_status(shop, order_id, "PENDING_PAYMENT")
    answer = await shop.order.post(f"/orders/{order_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")
    assert await shop.hold(order_id) == ("RELEASED", 2)
    assert await shop.stock() == before


async def test_an_order_already_paid_but_not_confirmed_is_refunded_when_cancelled(shop: Shop):
    order_id = await _place_without_time(shop)
    await shop.payment.post(
        "/payments",
        json={"order_id": order_id, "amount_minor": 19_998, "currency": "EUR"},
        headers={"Idempotency-Key": f"charge-{order_id}"},
    )
    await _set_status(shop, order_id, "PENDING_INVENTORY")
    answer = await shop.order.post(f"/orders/{order_id}/cancel")
    assert answer.status_code in (200, 202)
    await shop.settled(order_id)
    assert await shop.captures(order_id) == ["REFUNDED"]
    assert (await shop.row(order_id))["reason"] == "USER_CANCELLED"


async def test_cancelling_again_says_the_same(shop: Shop):
    order_id = await _place_without_time(shop)
    first = await shop.order.post(f"/orders/{order_id}/cancel")
    second = await shop.order.post(f"/orders/{order_id}/cancel")
    assert (first.status_code, first.content) == (second.status_code, second.content)


async def test_a_decided_order_cannot_be_cancelled(shop: Shop):
    confirmed = (await shop.place()).json()["order_id"]
    failed = (await shop.place("PROD-003", 1000)).json()["details"]["order_id"]
    await shop.settled(confirmed)
    async with shop.unchanged():
        for order_id, status in ((confirmed, "CONFIRMED"), (failed, "FAILED")):
            answer = await shop.order.post(f"/orders/{order_id}/cancel")
            problem = assert_problem(answer, 409, "state-conflict")
            assert problem["details"]["status"] == status
    assert await shop.captures(confirmed) == ["CAPTURED"]


async def test_ten_cancels_at_once_against_an_order_under_way_leave_one_end(shop: Shop):
    order_id = await _place_without_time(shop)
    await shop.eyes.execute(
        "UPDATE orders.orders SET next_attempt_at = now() WHERE id = $1", UUID(order_id)
    )
    answers = await asyncio.gather(
        *(shop.order.post(f"/orders/{order_id}/cancel") for _ in range(10))
    )
    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    row = await shop.settled(order_id)
    hold, captures = await shop.hold(order_id), await shop.captures(order_id)
    if row["status"] == "CONFIRMED":
        assert (hold, captures) == (("COMMITTED", 2), ["CAPTURED"])
    else:
        assert "CAPTURED" not in captures
        assert hold is None or hold[0] == "RELEASED"


async def _set_status(shop: Shop, order_id: str, status: str) -> None:
    await shop.eyes.execute(
        "UPDATE orders.orders SET status = $2, version = version + 1,"
        " next_attempt_at = now() + interval '10 seconds' WHERE id = $1",
        UUID(order_id), status,
    )  # fmt: skip
