"""The participant table, cell by cell: what an operation does to a reservation in each state."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.inventory import store
from services.inventory.domain import (
    AlreadySold,
    CannotCommit,
    OtherReservation,
    Reservation,
    TooMany,
    UnknownProduct,
)
from tests.services.inventory.shelf import Shelf

pytestmark = pytest.mark.asyncio(loop_scope="module")

# (operation, state before) -> state answered or refusal, state after, (stock, reserved, sold)
CELLS: dict[tuple[str, str], tuple[Any, str | None, tuple[int, int, int]]] = {
    ("reserve", "NOTHING"): ("HELD", "HELD", (7, 3, 0)),
    ("reserve", "HELD"): ("HELD", "HELD", (7, 3, 0)),
    ("reserve", "COMMITTED"): ("COMMITTED", "COMMITTED", (7, 0, 3)),
    ("reserve", "RELEASED"): ("RELEASED", "RELEASED", (10, 0, 0)),
    ("reserve", "TOMBSTONE"): ("RELEASED", "RELEASED", (10, 0, 0)),
    ("reserve", "REJECTED"): (OtherReservation, "REJECTED", (10, 0, 0)),
    ("release", "NOTHING"): ("RELEASED", "RELEASED", (10, 0, 0)),
    ("release", "HELD"): ("RELEASED", "RELEASED", (10, 0, 0)),
    ("release", "COMMITTED"): (AlreadySold, "COMMITTED", (7, 0, 3)),
    ("release", "RELEASED"): ("RELEASED", "RELEASED", (10, 0, 0)),
    ("release", "TOMBSTONE"): ("RELEASED", "RELEASED", (10, 0, 0)),
    ("release", "REJECTED"): ("REJECTED", "REJECTED", (10, 0, 0)),
    ("commit", "NOTHING"): (CannotCommit, None, (10, 0, 0)),
    ("commit", "HELD"): ("COMMITTED", "COMMITTED", (7, 0, 3)),
    ("commit", "COMMITTED"): ("COMMITTED", "COMMITTED", (7, 0, 3)),
    ("commit", "RELEASED"): (CannotCommit, "RELEASED", (10, 0, 0)),
    ("commit", "TOMBSTONE"): (CannotCommit, "RELEASED", (10, 0, 0)),
    ("commit", "REJECTED"): (CannotCommit, "REJECTED", (10, 0, 0)),
}


@pytest.mark.parametrize(("operation", "before"), CELLS, ids=[" ".join(cell) for cell in CELLS])
@pytest.mark.parametrize("times", [1, 3])
async def test_an_operation_does_what_the_table_says_however_often(
    shelf: Shelf, operation: str, before: str, times: int
):
    answer, after, units = CELLS[operation, before]
    order_id = uuid4()
    await shelf.bring_to(order_id, before)
    for _ in range(times):
        if isinstance(answer, str):
            found: Reservation = await getattr(shelf, operation)(order_id)
            assert (found.order_id, found.state) == (order_id, answer)
        else:
            with pytest.raises(answer):
                await getattr(shelf, operation)(order_id)
    assert await shelf.state(order_id) == after
    assert await shelf.units() == units


async def test_a_repeat_for_other_goods_is_refused_and_changes_nothing(shelf: Shelf):
    order_id = uuid4()
    await shelf.reserve(order_id, 3)
    with pytest.raises(OtherReservation):
        await shelf.reserve(order_id, 4)
    with pytest.raises(OtherReservation):
        await shelf.reserve(order_id, 3, "PROD-001")
    assert await shelf.units() == (7, 3, 0)


async def test_a_no_stays_a_no_after_a_refill(shelf: Shelf):
    order_id = uuid4()
    assert (await shelf.reserve(order_id, 11)).state == "REJECTED"
    await shelf.restock(100)
    assert (await shelf.reserve(order_id, 11)).state == "REJECTED"
    assert await shelf.units() == (110, 0, 0)


async def test_the_last_unit_can_be_held_and_one_more_cannot(shelf: Shelf):
    assert (await shelf.reserve(uuid4(), 10)).state == "HELD"
    assert (await shelf.reserve(uuid4(), 1)).state == "REJECTED"
    assert await shelf.units() == (0, 10, 0)


async def test_an_unknown_product_leaves_no_reservation_behind(shelf: Shelf):
    order_id = uuid4()
    with pytest.raises(UnknownProduct):
        await shelf.reserve(order_id, 1, "NO-SUCH-THING")
    assert await shelf.state(order_id) is None
    # So the same order may still reserve what there is.
    assert (await shelf.reserve(order_id)).state == "HELD"


async def test_a_transaction_that_fails_holds_nothing(shelf: Shelf):
    order_id = uuid4()

    async def fail() -> None:
        async with shelf.pool.begin() as tx:
            await store.reserve(tx, order_id, shelf.product_id, 3, "hand")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await shelf.state(order_id) is None
    assert await shelf.units() == (10, 0, 0)


async def test_a_delivery_counts_at_once_and_an_impossible_one_not_at_all(shelf: Shelf):
    stock = await shelf.restock(5)
    assert (stock.stock, stock.total) == (15, 15)
    with pytest.raises(TooMany):
        await shelf.restock(2**31 - 1)
    async with shelf.pool.connect() as c:
        with pytest.raises(UnknownProduct):
            await store.restock(c, "NO-SUCH-THING", 1)
        assert await store.find_stock(c, shelf.product_id) == stock
        assert stock in await store.list_stock(c)
        assert await store.find_reservation(c, uuid4()) is None
        with pytest.raises(UnknownProduct):
            await store.find_stock(c, "NO-SUCH-THING")


# ---- at the same time ---------------------------------------------------------------------------


async def test_fifty_at_once_for_the_last_twenty_five_sell_exactly_twenty_five(shelf: Shelf):
    await shelf.restock(15)
    orders = [uuid4() for _ in range(50)]
    found = await asyncio.gather(*(shelf.reserve(order_id, 1) for order_id in orders))
    states = [reservation.state for reservation in found]
    assert (states.count("HELD"), states.count("REJECTED")) == (25, 25)
    assert await shelf.units() == (0, 25, 0)
    held = [r.order_id for r in found if r.state == "HELD"]
    await asyncio.gather(*(shelf.commit(order_id) for order_id in held * 2))
    assert await shelf.units() == (0, 0, 25)


async def test_twenty_reserves_of_one_order_at_once_hold_its_units_once(shelf: Shelf):
    order_id = uuid4()
    found = await asyncio.gather(*(shelf.reserve(order_id) for _ in range(20)))
    assert {reservation.state for reservation in found} == {"HELD"}
    assert await shelf.units() == (7, 3, 0)


async def test_a_release_that_races_with_its_reserve_leaves_nothing_held(shelf: Shelf):
    for _ in range(15):
        order_id = uuid4()
        reserved, released = await asyncio.gather(shelf.reserve(order_id), shelf.release(order_id))
        assert reserved.state in ("HELD", "RELEASED")
        assert released.state == "RELEASED"
        assert await shelf.state(order_id) == "RELEASED"
    assert await shelf.units() == (10, 0, 0)


async def test_a_commit_that_races_with_a_release_has_one_winner(shelf: Shelf):
    sold = 0
    for _ in range(15):
        order_id = uuid4()
        await shelf.restock(1)
        await shelf.reserve(order_id, 1)
        answers = await asyncio.gather(
            shelf.commit(order_id), shelf.release(order_id), return_exceptions=True
        )
        state = await shelf.state(order_id)
        if state == "COMMITTED":
            sold += 1
            assert isinstance(answers[1], AlreadySold)
        else:
            assert state == "RELEASED"
            assert isinstance(answers[0], CannotCommit)
    stock, reserved, _ = await shelf.units()
    assert (stock, reserved) == (25 - sold, 0)


async def test_several_are_sold_at_once_and_what_cannot_be_sold_is_in_nobodys_way(shelf: Shelf):
    held, sold, tomb, unknown = (uuid4() for _ in range(4))
    await shelf.reserve(held, 2)
    await shelf.reserve(sold, 3)
    await shelf.commit(sold)
    await shelf.release(tomb)
    for _ in range(2):
        assert await shelf.commit_many(held, sold, tomb, unknown, held) == {held, sold}
        assert await shelf.units() == (5, 0, 5)
    assert [await shelf.state(each) for each in (tomb, unknown)] == ["RELEASED", None]


async def test_batches_that_overlap_sell_each_order_once(shelf: Shelf):
    held = [uuid4() for _ in range(3)]
    for order_id in held:
        await shelf.reserve(order_id, 2)
    answers = await asyncio.gather(*(shelf.commit_many(*held[::step]) for step in (1, -1) * 4))
    assert set().union(*answers) == set(held)
    assert await shelf.units() == (4, 0, 6)
