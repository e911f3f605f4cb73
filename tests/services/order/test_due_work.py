"""Which orders are due, who takes them, and what makes them due sooner."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.order import store
from services.order.due_work import ORDERS_DUE
from tests.harness.plans import plans_with_index
from tests.services.order.order_rows import OrderRows

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nothing_due(orders_db: OrderRows) -> AsyncIterator[None]:
    """What other tests left is due in an hour."""
    await orders_db.eyes.execute(
        "UPDATE orders.orders SET next_attempt_at = now() + interval '1 hour'"
    )
    yield


async def _claim(orders_db: OrderRows, most: int = 100, lease_s: float = 9.0) -> list[object]:
    async with orders_db.pool.connect() as c:
        return list(await ORDERS_DUE.claim(c, most, lease_s=lease_s))


async def test_only_what_is_due_and_not_done_is_claimed_and_then_leased(orders_db: OrderRows):
    due = [
        await orders_db.place(lease_s=-1),
        await orders_db.walk("PENDING_INVENTORY", next_s=-1),
        await orders_db.walk("PENDING_PAYMENT", next_s=-1),
        await orders_db.walk("CANCELLING", next_s=-1),
        await orders_db.walk("PENDING_PAYMENT", "CONFIRMED", next_s=-1),
    ]
    await orders_db.place(lease_s=60)
    await orders_db.walk("CANCELLING", "FAILED", next_s=-1)
    sold = await orders_db.walk("PENDING_PAYMENT", "CONFIRMED", next_s=-1)
    async with orders_db.pool.connect() as c:
        await store.mark_committed(c, sold)
    assert set(await _claim(orders_db)) == {order.id for order in due}
    assert await _claim(orders_db) == []
    for order in due:
        assert 8 < await orders_db.due_in_s(order.id) <= 9
        # A lease is no move: nobody's compare-and-set is spoilt by it.
        assert (await orders_db.row(order.id))["version"] == order.version


async def test_the_most_overdue_come_first_and_no_more_than_asked_for(orders_db: OrderRows):
    orders = [await orders_db.place(lease_s=-n) for n in range(1, 6)]
    assert set(await _claim(orders_db, 2)) == {orders[4].id, orders[3].id}


async def test_replicas_that_claim_at_once_share_the_work_and_wait_for_nobody(orders_db: OrderRows):
    orders = {(await orders_db.place(lease_s=-1)).id for _ in range(40)}
    shares = await asyncio.gather(*(_claim(orders_db, 16) for _ in range(5)))
    taken = [order_id for share in shares for order_id in share]
    assert len(taken) == len(set(taken))
    assert orders == set(taken) | set(await _claim(orders_db))


async def test_a_row_that_is_being_moved_is_skipped_and_not_waited_for(orders_db: OrderRows):
    order = await orders_db.place(lease_s=-1)
    async with orders_db.pool.begin() as tx:
        await store.move(tx, order, "PENDING_INVENTORY", next_s=-1)
        async with asyncio.timeout(1):
            assert await _claim(orders_db) == []
    assert await _claim(orders_db) == [order.id]


async def test_a_recovery_wakes_what_waits_and_spreads_it(orders_db: OrderRows):
    waiting = [await orders_db.walk("PENDING_INVENTORY", outcome="timeout") for _ in range(12)]
    again = await orders_db.move(waiting[0], "PENDING_INVENTORY", outcome="timeout")
    assert again is not None
    driven = await orders_db.walk("PENDING_PAYMENT")
    fresh = await orders_db.place()
    async with orders_db.pool.connect() as c:
        assert await ORDERS_DUE.wake(c, most=500, spread_s=2.0) >= 12
    dues = [await orders_db.due_in_s(order.id) for order in waiting]
    assert all(due < 2 for due in dues)
    assert max(dues) - min(dues) > 0.2
    # Somebody is driving these right now; a second driver would only be in the way.
    for order in (driven, fresh):
        assert await orders_db.due_in_s(order.id) > 50


async def test_no_more_are_woken_than_asked_for(orders_db: OrderRows):
    for _ in range(5):
        await orders_db.walk("PENDING_INVENTORY", outcome="timeout", next_s=4000)
    async with orders_db.pool.connect() as c:
        assert await ORDERS_DUE.wake(c, most=3, spread_s=1.0) == 3


async def test_a_look_hastens_an_order_that_waits_at_most_once_a_second(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_INVENTORY", outcome="timeout")
    async with orders_db.pool.connect() as c:
        await ORDERS_DUE.hasten(c, order.id)
        assert await orders_db.due_in_s(order.id) > 50
        await orders_db.set(order.id, "updated_at = now() - interval '2 seconds'")
        await ORDERS_DUE.hasten(c, order.id)
        assert await orders_db.due_in_s(order.id) <= 0


async def test_a_look_at_an_order_that_is_done_or_driven_changes_nothing(orders_db: OrderRows):
    orders = [
        await orders_db.place(),
        await orders_db.walk("PENDING_PAYMENT"),
        await orders_db.walk("CANCELLING", "FAILED", outcome="declined"),
    ]
    for order in orders:
        await orders_db.set(order.id, "updated_at = now() - interval '2 seconds'")
        async with orders_db.pool.connect() as c:
            await ORDERS_DUE.hasten(c, order.id)
        assert await orders_db.due_in_s(order.id) > 50


async def test_the_backlog_is_counted_by_state_with_its_lag(orders_db: OrderRows):
    async with orders_db.pool.connect() as c:
        before = {status: count for status, count, _ in await ORDERS_DUE.backlog(c)}
        await orders_db.place(lease_s=-5)
        after = {status: (count, lag) for status, count, lag in await ORDERS_DUE.backlog(c)}
    assert after["PENDING"][0] == before.get("PENDING", 0) + 1
    assert 5 <= after["PENDING"][1] < 15
    assert "FAILED" not in after
    assert all(lag_s >= 0 for _, lag_s in after.values())


async def test_the_partial_index_serves_claim_wake_and_backlog(orders_db: OrderRows):
    assert await plans_with_index(orders_db.eyes, ORDERS_DUE) == {"orders_due"}
