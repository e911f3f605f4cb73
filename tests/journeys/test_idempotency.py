"""One Idempotency-Key is one order, and its answer stays the same bytes."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.harness.problems import assert_problem
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _key() -> str:
    return f"key-{uuid4()}"


async def _orders(shop: Shop) -> int:
    count: int = await shop.eyes.fetchval("SELECT count(*) FROM orders.orders")
    return count


@pytest.mark.parametrize("length", [16, 255])
async def test_the_shortest_and_the_longest_key_are_keys(shop: Shop, length: int):
    key = _key().ljust(length, "~")[-length:]
    first = await shop.place(key=key)
    assert first.status_code == 201
    assert (await shop.place(key=key)).content == first.content


async def test_a_repeat_is_answered_with_the_same_bytes(shop: Shop):
    key = _key()
    before = await _orders(shop)
    first = await shop.place(key=key)
    await shop.settled(first.json()["order_id"])
    second = await shop.place(key=key)
    assert first.status_code == second.status_code == 201
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert await _orders(shop) == before + 1


async def test_spelling_is_no_difference_but_meaning_is(shop: Shop):
    key = _key()
    first = await shop.place(key=key)
    respelled = await shop.order.post(
        "/orders",
        content=b' {"quantity" : 1,\n "product_id":"PROD\\u002d001"}',
        headers={"Idempotency-Key": key, "traceparent": f"00-{uuid4().hex}-{'1' * 16}-01"},
    )
    assert respelled.content == first.content
    await shop.settled(first.json()["order_id"])
    async with shop.unchanged():
        for product, quantity in (("PROD-001", 2), ("PROD-002", 1)):
            answer = await shop.place(product, quantity, key=key)
            assert_problem(answer, 422, "idempotency-key-reused")
    assert (await shop.place(key=key)).content == first.content


async def _place(shop: Shop, **order: Any) -> httpx.Response:
    """As a client does it: what was shed, certainly without any work, is sent again."""
    while True:
        answer = await shop.place(**order)
        if answer.headers.get("x-valerix-executed") != "no":
            return answer
        await asyncio.sleep(0.1)


async def test_fifty_at_once_with_one_key_make_one_order(shop: Shop):
    key, before = _key(), await _orders(shop)
    answers = await asyncio.gather(*(_place(shop, key=key) for _ in range(50)))
    counts = Counter(
        (answer.status_code, "idempotent-replayed" in answer.headers) for answer in answers
    )
    assert counts[201, False] == 1
    assert set(counts) <= {(201, False), (201, True), (409, False)}
    for answer in answers:
        if answer.status_code == 409:
            problem = assert_problem(answer, 409, "idempotency-in-progress")
            assert problem["retryable"]
            assert answer.headers["retry-after"] == "1"
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await _orders(shop) == before + 1


async def test_fifty_at_once_with_one_key_and_other_bodies_make_one_order(shop: Shop):
    key, before = _key(), await _orders(shop)
    answers = await asyncio.gather(*(_place(shop, quantity=n, key=key) for n in range(1, 51)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 49}
    assert await _orders(shop) == before + 1


async def _forget_answer(shop: Shop, key: str, *, locked_s: float) -> None:
    """The key as a request leaves it that was killed after its first commit."""
    async with shop.eyes.transaction():
        # An answer that was kept cannot be taken back, so the guard is off for once.
        await shop.eyes.execute("SET LOCAL session_replication_role = replica")
        await shop.eyes.execute(
            "UPDATE orders.idempotency SET response = NULL, status_code = NULL,"
            " locked_until = now() + make_interval(secs => $2) WHERE key = $1",
            key, locked_s,
        )  # fmt: skip


async def test_a_repeat_while_the_first_is_still_running_is_asked_to_wait(shop: Shop):
    key = _key()
    await shop.place(key=key)
    await _forget_answer(shop, key, locked_s=5)
    answer = await shop.place(key=key)
    assert_problem(answer, 409, "idempotency-in-progress")
    assert_problem(await shop.place(quantity=2, key=key), 422, "idempotency-key-reused")


async def test_a_repeat_after_a_crash_is_answered_202_with_the_order_and_executes_nothing(
    shop: Shop,
):
    key = _key()
    first = await shop.place(key=key)
    order_id = first.json()["order_id"]
    await shop.settled(order_id)
    await _forget_answer(shop, key, locked_s=-1)
    orders = await shop.eyes.fetch("SELECT id, version FROM orders.orders ORDER BY id")
    answer = await shop.place(key=key)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/orders/{order_id}"
    view = answer.json()
    assert view["order_id"] == order_id
    # The same shape as every other 202: the order as it is by now.
    assert set(view) == set(first.json())
    assert view["status"] == "CONFIRMED"
    # From here on this is the key's answer, byte for byte.
    async with shop.unchanged():
        again = await shop.place(key=key)
        assert (again.status_code, again.content) == (202, answer.content)
        assert again.headers["idempotent-replayed"] == "true"
    assert await shop.eyes.fetch("SELECT id, version FROM orders.orders ORDER BY id") == orders


async def test_a_key_is_never_free_again(shop: Shop):
    key = _key()
    first = await shop.place(key=key)
    await shop.settled(first.json()["order_id"])
    # Long after the request that claimed it.
    await shop.eyes.execute(
        "UPDATE orders.orders SET created_at = now() - interval '9 years' WHERE id = $1",
        UUID(first.json()["order_id"]),
    )
    async with shop.unchanged():
        again = await shop.place(key=key)
        assert (again.status_code, again.content) == (201, first.content)
        assert_problem(await shop.place(quantity=2, key=key), 422, "idempotency-key-reused")


@pytest.mark.parametrize("change", ["DELETE FROM", "UPDATE"])
async def test_nobody_takes_an_answer_back(shop: Shop, change: str):
    key = _key()
    await shop.place(key=key)
    tail = "SET response = 'another'" if change == "UPDATE" else ""
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await shop.eyes.execute(f"{change} orders.idempotency {tail} WHERE key = $1", key)


async def test_an_unknown_product_is_remembered_under_the_key(shop: Shop):
    key, before = _key(), await _orders(shop)
    first = await shop.place("PROD-999", key=key)
    second = await shop.place("PROD-999", key=key)
    assert_problem(first, 404, "product-not-found")
    assert second.status_code == 404
    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"
    assert "location" not in second.headers
    assert_problem(await shop.place(key=key), 422, "idempotency-key-reused")
    assert await _orders(shop) == before


async def test_out_of_stock_is_remembered_under_the_key(shop: Shop):
    key = _key()
    first = await shop.place("PROD-003", 1000, key=key)
    assert_problem(first, 409, "out-of-stock")
    await shop.refill()
    second = await shop.place("PROD-003", 1000, key=key)
    assert second.status_code == 409
    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]


async def test_what_failed_validation_is_not_remembered(shop: Shop):
    key = _key()
    async with shop.unchanged():
        for body in (b"{", b'{"product_id":"PROD-001","quantity":0}'):
            answer = await shop.order.post(
                "/orders", content=body, headers={"Idempotency-Key": key}
            )
            assert answer.status_code == 400
    assert (await shop.place(key=key)).status_code == 201


async def test_a_202_is_remembered_though_the_order_goes_on(shop: Shop):
    key = _key()
    first = await shop.order.post(
        "/orders",
        json={"product_id": "PROD-001", "quantity": 1},
        headers={"Idempotency-Key": key, "X-Timeout-Ms": "0"},
    )
    assert first.status_code == 202
    second = await shop.place(key=key)
    assert second.status_code == 202
    assert second.content == first.content


async def test_a_payment_repeated_under_its_key_is_the_same_bytes(shop: Shop):
    order_id, key = str(uuid4()), _key()

    async def pay(**more: object) -> httpx.Response:
        body = {"order_id": order_id, "amount_minor": 500, "currency": "EUR", **more}
        return await shop.payment.post("/payments", json=body, headers={"Idempotency-Key": key})

    first, second = await pay(), await pay()
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert_problem(await pay(amount_minor=501), 422, "idempotency-key-reused")
    assert_problem(await pay(payment_id=str(uuid4())), 422, "payment-mismatch")
    named = await pay(payment_id=first.json()["payment_id"])
    assert (named.status_code, named.content) == (201, first.content)
    assert await shop.captures(order_id) == ["CAPTURED"]
