"""The order's SQL: intent at today's price, decisions by compare-and-set, every version kept."""

import asyncio
from itertools import pairwise
from uuid import uuid4

import pytest

from services.order import store
from services.order.domain import NotForSale, UnknownOrder
from tests.services.order.order_rows import TRACE, OrderRows

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_order_is_placed_at_todays_price_pending_and_leased(orders_db: OrderRows):
    order = await orders_db.place(3, lease_s=30.0, deadline_s=100.0)
    assert (order.status, order.version, order.attempts) == ("PENDING", 0, 0)
    assert (order.unit_price_minor, order.amount_minor, order.currency) == (9999, 29_997, "EUR")
    assert order.traceparent == TRACE
    assert not order.overdue
    assert 29 < await orders_db.due_in_s(order.id) <= 30
    async with orders_db.pool.connect() as c:
        assert await store.find(c, order.id) == order


async def test_what_is_not_for_sale_cannot_be_ordered(orders_db: OrderRows):
    before = await orders_db.eyes.fetchval("SELECT count(*) FROM orders.orders")
    with pytest.raises(NotForSale):
        await orders_db.place(1, "NO-SUCH-THING")
    assert await orders_db.eyes.fetchval("SELECT count(*) FROM orders.orders") == before


async def test_whoever_has_not_seen_the_latest_version_moves_nothing(orders_db: OrderRows):
    order = await orders_db.place()
    moved = await orders_db.move(order, "PENDING_PAYMENT")
    assert moved is not None
    assert moved.version == 1
    assert await orders_db.move(order, "PENDING_INVENTORY") is None
    assert await orders_db.move(order, "CANCELLING", reason="USER_CANCELLED") is None
    assert (await orders_db.row(order.id))["status"] == "PENDING_PAYMENT"


async def test_ten_who_decide_at_once_make_one_decision(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_PAYMENT")
    answers = await asyncio.gather(
        *(orders_db.move(order, "CONFIRMED") for _ in range(5)),
        *(orders_db.move(order, "CANCELLING", reason="PAYMENT_TIMEOUT") for _ in range(5)),
    )
    (winner,) = [answer for answer in answers if answer is not None]
    row = await orders_db.row(order.id)
    assert (row["status"], row["version"]) == (winner.status, 2)


async def test_a_try_in_vain_is_counted_in_its_state_and_progress_begins_afresh(
    orders_db: OrderRows,
):
    order = await orders_db.walk("PENDING_INVENTORY", outcome="timeout")
    assert (order.attempts, order.last_outcome) == (0, "timeout")
    for attempts in (1, 2):
        again = await orders_db.move(
            order, "PENDING_INVENTORY", outcome="connect-failed", next_s=5.0
        )
        assert again is not None
        assert (again.attempts, again.last_outcome) == (attempts, "connect-failed")
        order = again
    assert 4 < await orders_db.due_in_s(order.id) <= 5
    moved = await orders_db.move(order, "PENDING_PAYMENT")
    assert moved is not None
    assert (moved.attempts, moved.last_outcome) == (0, None)


async def test_the_first_reason_stays_when_none_is_given(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_PAYMENT")
    cancelling = await orders_db.move(
        order, "CANCELLING", reason="PAYMENT_DECLINED", outcome="card"
    )
    assert cancelling is not None
    failed = await orders_db.move(cancelling, "FAILED")
    assert failed is not None
    assert (failed.reason, failed.settled_at is not None) == ("PAYMENT_DECLINED", True)


async def test_stock_is_committed_once(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_PAYMENT", "CONFIRMED")
    assert order.settled_at is not None
    assert not order.is_done
    async with orders_db.pool.connect() as c:
        done = await store.mark_committed(c, order)
        assert done is not None
        assert done.is_done
        assert done.settled_at == order.settled_at
        assert await store.mark_committed(c, order) is None


async def test_a_postponed_order_does_not_move(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_PAYMENT", "CONFIRMED")
    async with orders_db.pool.connect() as c:
        await store.postpone(c, order, 7.0)
    row = await orders_db.row(order.id)
    assert (row["version"], row["attempts"]) == (order.version, order.attempts + 1)
    assert 6 < await orders_db.due_in_s(order.id) <= 7


async def test_an_order_is_overdue_by_the_databases_clock(orders_db: OrderRows):
    assert (await orders_db.place(deadline_s=0.0001)).overdue is False
    order = await orders_db.place(deadline_s=-1.0)
    assert order.overdue


async def test_its_history_has_every_version_without_a_gap(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_INVENTORY", "PENDING_INVENTORY", "PENDING_PAYMENT",
                            "CANCELLING", "CANCELLING", "FAILED")  # fmt: skip
    async with orders_db.pool.connect() as c:
        steps = await store.list_history(c, order.id)
        with pytest.raises(UnknownOrder):
            await store.list_history(c, uuid4())
    assert [step.version for step in steps] == list(range(7))
    assert steps[0].src is None
    assert all(a.dst == b.src for a, b in pairwise(steps))
    assert steps[-1].dst == "FAILED"
    assert {step.trace_id for step in steps} == {"a" * 32}
    times = [step.at for step in steps]
    assert times == sorted(times)


async def test_an_unknown_order_is_a_fact(orders_db: OrderRows):
    async with orders_db.pool.connect() as c:
        with pytest.raises(UnknownOrder):
            await store.find(c, uuid4())


async def test_pages_have_no_gap_and_no_repeat_though_times_are_equal(orders_db: OrderRows):
    orders = [await orders_db.place() for _ in range(7)]
    await orders_db.eyes.execute(
        "UPDATE orders.orders SET created_at = '2020-01-01T00:00:00Z' WHERE id = ANY($1)",
        [order.id for order in orders],
    )
    seen, after = [], None
    async with orders_db.pool.connect() as c:
        while page := await store.page(c, 3, after):
            seen += [order.id for order in page]
            after = (page[-1].created_at, page[-1].id)
    assert len(seen) == len(set(seen))
    assert sorted(seen[-7:]) == sorted(order.id for order in orders)


async def test_the_price_list_is_in_order(orders_db: OrderRows):
    async with orders_db.pool.connect() as c:
        products = await store.list_products(c)
    assert [p.product_id for p in products] == ["PROD-001", "PROD-002", "PROD-003"]
    assert {(p.price_minor, p.currency) for p in products} == {(9999, "EUR")}


async def test_of_several_that_are_sold_each_moves_once_and_a_newer_one_stays(orders_db: OrderRows):
    first, second = [await orders_db.walk("CONFIRMED") for _ in range(2)]
    async with orders_db.pool.connect() as c:
        await store.mark_committed(c, second)
        for _ in range(2):
            await store.mark_many_committed(c, [first, second])
        await store.postpone_many(c, [first], 30.0)
    rows = [await orders_db.row(order.id) for order in (first, second)]
    assert [row["version"] for row in rows] == [first.version + 1, second.version + 1]
    assert all(row["stock_committed_at"] for row in rows)
    assert rows[0]["attempts"] == 0
