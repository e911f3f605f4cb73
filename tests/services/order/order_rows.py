"""Orders taken and moved by hand, through the service's own SQL on the real database."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg

from chassis.database.pool import Database
from services.order import store
from services.order.contract import Status
from services.order.domain import TERMINAL, Order

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


class OrderRows:
    """Each operation is one autocommitted statement, as in the service."""

    def __init__(self, pool: Database, eyes: asyncpg.Connection) -> None:
        self.pool = pool
        self.eyes = eyes

    async def place(
        self,
        quantity: int = 1,
        product_id: str = "PROD-001",
        *,
        lease_s: float = 60.0,
        deadline_s: float = 900.0,
    ) -> Order:
        """A new order, PENDING."""
        async with self.pool.connect() as c:
            return await store.place(
                c, uuid4(), uuid4(), product_id, quantity, lease_s=lease_s,
                deadline_s=deadline_s, traceparent=TRACE,
            )  # fmt: skip

    async def move(self, order: Order, to: Status, **more: Any) -> Order | None:
        """The order moved on, or None."""
        async with self.pool.connect() as c:
            return await store.move(c, order, to, **{"next_s": 60.0, **more})

    async def walk(self, *statuses: Status, **more: Any) -> Order:
        """A new order, moved along."""
        order = await self.place()
        for status in statuses:
            reason = {"reason": "USER_CANCELLED"} if status in ("CANCELLING", "FAILED") else {}
            moved = await self.move(order, status, **{**reason, **more})
            assert moved is not None
            order = moved
        return order

    async def insert(self, status: str) -> UUID:
        """An order that stands in `status`, however it got there."""
        order_id = uuid4()
        await self.eyes.execute(
            "INSERT INTO orders.orders (id, product_id, quantity, unit_price_minor, amount_minor,"
            " currency, payment_id, status, reason, next_attempt_at, deadline_at, settled_at)"
            " VALUES ($1, 'PROD-001', 1, 5, 5, 'EUR', gen_random_uuid(), $2, $3,"
            " now() + interval '1 hour', now() + interval '1 hour', CASE WHEN $4 THEN now() END)",
            order_id, status, "USER_CANCELLED" if status in ("FAILED", "CANCELLING") else None,
            status in TERMINAL,
        )  # fmt: skip
        return order_id

    async def row(self, order_id: UUID) -> asyncpg.Record:
        """The order's row."""
        return await self.eyes.fetchrow("SELECT * FROM orders.orders WHERE id = $1", order_id)

    async def set(self, order_id: UUID, change: str) -> None:
        """A change by hand, from outside the service."""
        await self.eyes.execute(f"UPDATE orders.orders SET {change} WHERE id = $1", order_id)

    async def due_in_s(self, order_id: UUID) -> float:
        """Seconds until its next attempt."""
        due: float = await self.eyes.fetchval(
            "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM orders.orders"
            " WHERE id = $1",
            order_id,
        )
        return due
