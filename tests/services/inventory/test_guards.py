"""What the database itself refuses, whoever asks: the last line behind the service's own SQL."""

from itertools import product
from uuid import uuid4

import asyncpg
import pytest

from services.inventory.contract import State
from services.inventory.domain import TRANSITIONS
from tests.services.inventory.shelf import Shelf

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATES: tuple[State, ...] = State.__args__  # type: ignore[attr-defined]


async def test_the_machine_equals_the_database(eyes: asyncpg.Connection):
    rows = await eyes.fetch("SELECT src, dst FROM inventory.transitions")
    assert {(row["src"], row["dst"]) for row in rows} == TRANSITIONS


async def test_every_move_is_allowed_or_refused_as_the_machine_says(shelf: Shelf):
    for src, dst in product(STATES, STATES):
        order_id = uuid4()
        await shelf.eyes.execute(
            "INSERT INTO inventory.reservations (order_id, product_id, quantity, state)"
            " VALUES ($1, $2, 1, $3)",
            order_id, shelf.product_id, src,
        )  # fmt: skip
        move = shelf.eyes.execute(
            "UPDATE inventory.reservations SET state = $2 WHERE order_id = $1", order_id, dst
        )
        if (src, dst) in TRANSITIONS:
            await move
            assert await shelf.state(order_id) == dst
        else:
            with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="may not go"):
                await move
            assert await shelf.state(order_id) == src


async def test_a_reservation_is_never_deleted(shelf: Shelf):
    order_id = uuid4()
    await shelf.reserve(order_id)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="never deleted"):
        await shelf.eyes.execute("DELETE FROM inventory.reservations WHERE order_id = $1", order_id)


@pytest.mark.parametrize(
    "change",
    [
        "stock = stock - 1",
        "reserved = reserved + 1",
        "sold = sold + 1",
        "total = total - 1",
        "stock = stock + 1, reserved = reserved - 1",
        "stock = stock - 11, sold = sold + 11",
        "stock = -1, total = -1, reserved = 0, sold = 0",
    ],
)
async def test_no_change_of_stock_may_lose_or_make_units(shelf: Shelf, change: str):
    with pytest.raises(asyncpg.CheckViolationError):
        await shelf.eyes.execute(
            f"UPDATE inventory.stock SET {change} WHERE product_id = $1", shelf.product_id
        )
    assert await shelf.units() == (10, 0, 0)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("state", "'HELD'"),
        ("state, quantity", "'HELD', 1"),
        ("state, product_id", "'COMMITTED', 'PROD-001'"),
        ("state, product_id, quantity", "'HELD', 'PROD-001', -1"),
        ("state, product_id, quantity", "'LENT', 'PROD-001', 1"),
    ],
)
async def test_only_a_tombstone_may_stand_without_goods(
    eyes: asyncpg.Connection, columns: str, values: str
):
    with pytest.raises(asyncpg.CheckViolationError):
        await eyes.execute(
            f"INSERT INTO inventory.reservations (order_id, {columns})"
            f" VALUES (gen_random_uuid(), {values})"
        )
