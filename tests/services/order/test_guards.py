"""What the database itself refuses: illegal moves, rewritten orders, a rewritten history."""

from itertools import product

import asyncpg
import pytest

from services.order.contract import Status
from services.order.domain import CANCELLABLE, TERMINAL, TRANSITIONS
from tests.services.order.order_rows import OrderRows

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUSES: tuple[Status, ...] = Status.__args__  # type: ignore[attr-defined]
_REFUSED = asyncpg.IntegrityConstraintViolationError


async def test_the_machine_equals_the_database(orders_db: OrderRows):
    rows = await orders_db.eyes.fetch("SELECT src, dst FROM orders.transitions")
    assert {(row["src"], row["dst"]) for row in rows} == TRANSITIONS


async def test_the_machine_ends_from_everywhere_and_never_begins_again():
    reach = {status: {status} for status in STATUSES}
    for _ in STATUSES:
        for src, dst in TRANSITIONS:
            reach[src] |= reach[dst]
    for status in STATUSES:
        assert reach[status] & TERMINAL, status
    assert not {src for src, _ in TRANSITIONS} & TERMINAL
    assert "PENDING" not in {dst for _, dst in TRANSITIONS}
    assert {src for src, dst in TRANSITIONS if dst == "CANCELLING"} == CANCELLABLE | {"CANCELLING"}
    # Rule R7: one decision; money is never given back to a confirmed order by another path.
    assert {src for src, dst in TRANSITIONS if dst == "CONFIRMED"} == {"PENDING", "PENDING_PAYMENT"}


async def test_every_move_is_allowed_or_refused_as_the_machine_says(orders_db: OrderRows):
    for src, dst in product(STATUSES, STATUSES):
        order_id = await orders_db.insert(src)
        settled = "now()" if dst in TERMINAL else "NULL"
        change = (
            f"status = '{dst}', version = version + 1, reason = 'USER_CANCELLED',"
            f" settled_at = {settled}"
        )
        if (src, dst) in TRANSITIONS or src == dst == "CONFIRMED":
            await orders_db.set(order_id, change)
            assert (await orders_db.row(order_id))["status"] == dst
        else:
            with pytest.raises(_REFUSED):
                await orders_db.set(order_id, change)
            assert (await orders_db.row(order_id))["status"] == src


@pytest.mark.parametrize("version", ["version", "version + 2", "version - 1", "0"])
async def test_a_move_counts_one_version(orders_db: OrderRows, version: str):
    order_id = await orders_db.insert("PENDING")
    with pytest.raises(_REFUSED, match="version"):
        await orders_db.set(order_id, f"status = 'PENDING_INVENTORY', version = {version}")


@pytest.mark.parametrize("moving", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        "id = gen_random_uuid()",
        "product_id = 'PROD-002'",
        "quantity = 2, amount_minor = 10",
        "unit_price_minor = 1, amount_minor = 1",
        "currency = 'JPY'",
        "payment_id = gen_random_uuid()",
    ],
)
async def test_what_was_ordered_never_changes(orders_db: OrderRows, change: str, moving: bool):
    order_id = await orders_db.insert("PENDING")
    if moving:
        change += ", status = 'PENDING_INVENTORY', version = version + 1"
    with pytest.raises(_REFUSED):
        await orders_db.set(order_id, change)


async def test_a_sold_order_is_sold_for_good(orders_db: OrderRows):
    order_id = await orders_db.insert("CONFIRMED")
    await orders_db.set(order_id, "stock_committed_at = now(), version = version + 1")
    for change in ("stock_committed_at = NULL", "stock_committed_at = now() + interval '1 s'"):
        with pytest.raises(_REFUSED, match="for good"):
            await orders_db.set(order_id, f"{change}, version = version + 1")


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("CANCELLING", "status = 'FAILED', version = version + 1, settled_at = NULL"),
        ("PENDING", "status = 'FAILED', version = version + 1, settled_at = now()"),
        ("PENDING", "settled_at = now()"),
        ("PENDING", "stock_committed_at = now(), version = version + 1"),
        ("FAILED", "reason = NULL"),
        ("PENDING_PAYMENT", "status = 'CONFIRMED', version = version + 1"),
    ],
)
async def test_an_end_has_its_reason_and_its_time_and_nothing_else_has(
    orders_db: OrderRows, status: Status, change: str
):
    order_id = await orders_db.insert(status)
    with pytest.raises(_REFUSED):
        await orders_db.set(order_id, change)


async def test_orders_and_their_history_are_never_deleted_or_rewritten(orders_db: OrderRows):
    order = await orders_db.walk("PENDING_INVENTORY", "PENDING_PAYMENT")
    for statement in (
        "DELETE FROM orders.orders WHERE id = $1",
        "DELETE FROM orders.history WHERE order_id = $1",
        "UPDATE orders.history SET dst = 'CONFIRMED' WHERE order_id = $1",
    ):
        with pytest.raises(_REFUSED, match="append-only"):
            await orders_db.eyes.execute(statement, order.id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await orders_db.eyes.execute(
            "INSERT INTO orders.history (order_id, version, dst, attempts) VALUES ($1, 1, 'X', 0)",
            order.id,
        )


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ("quantity, unit_price_minor, amount_minor", "0, 5, 0"),
        ("quantity, unit_price_minor, amount_minor", "1001, 5, 5005"),
        ("quantity, unit_price_minor, amount_minor", "2, 5, 5"),
        ("quantity, unit_price_minor, amount_minor", "1, 0, 0"),
        ("quantity, unit_price_minor, amount_minor", "1, -5, -5"),
    ],
)
async def test_an_order_is_for_something_at_its_price(
    orders_db: OrderRows, columns: str, values: str
):
    with pytest.raises(asyncpg.CheckViolationError):
        await orders_db.eyes.execute(
            f"INSERT INTO orders.orders (id, payment_id, product_id, currency, status,"
            f" next_attempt_at, deadline_at, {columns}) VALUES (gen_random_uuid(),"
            f" gen_random_uuid(), 'P', 'EUR', 'PENDING', now(), now(), {values})"
        )
