"""One product, with the four things that can be done to it and a look at what came of them."""

from uuid import UUID

import asyncpg

from chassis.database.pool import Database
from services.inventory import store
from services.inventory.domain import Reservation, StockLevel


class Shelf:
    """A product in the real database; each operation is a transaction, or a statement that commits
    by itself, as in the service."""

    def __init__(self, pool: Database, eyes: asyncpg.Connection, product_id: str) -> None:
        self.pool = pool
        self.eyes = eyes
        self.product_id = product_id

    async def reserve(self, order_id: UUID, quantity: int = 3, product_id: str = "") -> Reservation:
        """Hold units."""
        what = (order_id, product_id or self.product_id, quantity, "hand")
        async with self.pool.connect() as c:
            held = await store.hold(c, *what)
        if held is not None:
            return held
        async with self.pool.begin() as tx:
            return await store.reserve(tx, *what)

    async def release(self, order_id: UUID) -> Reservation:
        """Give them back."""
        async with self.pool.begin() as tx:
            return await store.release(tx, order_id, "hand")

    async def commit(self, order_id: UUID) -> Reservation:
        """Sell them."""
        async with self.pool.begin() as tx:
            return await store.commit(tx, order_id)

    async def commit_many(self, *order_ids: UUID) -> set[UUID]:
        """Sell those of several that are held; which are sold."""
        async with self.pool.connect() as c:
            return set(await store.commit_many(c, list(order_ids)))

    async def restock(self, quantity: int) -> StockLevel:
        """Put more on the shelf."""
        async with self.pool.connect() as c:
            return await store.restock(c, self.product_id, quantity)

    async def units(self) -> tuple[int, int, int]:
        """(stock, reserved, sold)."""
        row = await self.eyes.fetchrow(
            "SELECT stock, reserved, sold FROM inventory.stock WHERE product_id = $1",
            self.product_id,
        )
        return tuple(row)

    async def state(self, order_id: UUID) -> str | None:
        """The reservation's state in the table."""
        found: str | None = await self.eyes.fetchval(
            "SELECT state FROM inventory.reservations WHERE order_id = $1", order_id
        )
        return found

    async def bring_to(self, order_id: UUID, state: str) -> None:
        """An order's reservation in `state`, three units where it has any."""
        if state == "TOMBSTONE":
            await self.release(order_id)
        elif state == "REJECTED":
            await self.reserve(order_id, 1000)
        elif state != "NOTHING":
            await self.reserve(order_id)
            if state == "COMMITTED":
                await self.commit(order_id)
            elif state == "RELEASED":
                await self.release(order_id)
