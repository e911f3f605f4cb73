"""The services that an order goes through, on real sockets, with means to look and to hurt."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from chassis.http.asgi import App
from services.inventory import app as inventory
from services.order import app as order
from services.payment import app as payment
from services.wallet import app as wallet
from tests.harness.serving import knock, serve, settings_of
from tests.harness.stock import delivery

_APPS = {"inventory": inventory, "wallet": wallet, "payment": payment, "order": order}
_SOLD = """
SELECT NOT EXISTS (
  SELECT FROM inventory.reservations r JOIN orders.orders o ON o.id = r.order_id
  WHERE r.state = 'HELD' AND o.status = 'CONFIRMED')"""
_RECORDED = """
SELECT NOT EXISTS (
  SELECT FROM orders.orders WHERE status = 'CONFIRMED' AND stock_committed_at IS NULL)"""
_TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
    " WHERE schemaname IN ('orders', 'inventory', 'payments', 'gateway')"
    # How far background work has read is no change of the shop.
    " AND tablename <> 'sweeps' ORDER BY 1"
)
_PRINT = "SELECT '{0}', coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {0} t"


class Shop:
    """Services that call each other over loopback HTTP."""

    def __init__(self, database_url: str, overrides: Mapping[str, Mapping[str, Any]]) -> None:
        self.database_url = database_url
        self._overrides = overrides
        self._stack = AsyncExitStack()
        self.urls: dict[str, str] = {}
        self.eyes: asyncpg.Connection
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._prints = ""

    @property
    def order(self) -> httpx.AsyncClient:
        """The order service's door."""
        return self._clients["order"]

    @property
    def inventory(self) -> httpx.AsyncClient:
        """The inventory service's door."""
        return self._clients["inventory"]

    @property
    def payment(self) -> httpx.AsyncClient:
        """The payment service's door."""
        return self._clients["payment"]

    def door(self, service: str) -> httpx.AsyncClient:
        """A service's door by its name."""
        return self._clients[service]

    async def open(self) -> None:
        """Start what calls nobody first."""
        self.eyes = await asyncpg.connect(self.database_url)
        self._stack.push_async_callback(self.eyes.close)
        for key in _APPS:
            url = await self._stack.enter_async_context(self.run(key))
            self.urls[key] = url
            client = knock(url)
            self._clients[key] = await self._stack.enter_async_context(client)

    async def close(self) -> None:
        """Stop everything."""
        await self._stack.aclose()

    @asynccontextmanager
    async def run(self, key: str, **more: Any) -> AsyncIterator[str]:
        """One more process's worth of a service, on the same database; yields its base URL."""
        wires = {f"{name}_url": url for name, url in self.urls.items()}
        given = {**wires, **self._overrides.get(key, {}), **more}
        settings = settings_of(key, self.database_url, **given)
        app: App = _APPS[key].create_app(settings)
        async with serve(app, settings) as url:
            yield url

    # ---- doing ----------------------------------------------------------------------------------

    async def place(
        self,
        product_id: str = "PROD-001",
        quantity: int = 1,
        *,
        key: str = "",
        wallet: str = "",
    ) -> httpx.Response:
        """POST /orders, paid from a user's wallet where one is named."""
        method = {"payment_method": {"wallet": {"wallet_id": wallet}}} if wallet else {}
        return await self.order.post(
            "/orders",
            json={"product_id": product_id, "quantity": quantity, **method},
            headers={"Idempotency-Key": key} if key else {},
        )

    async def let_loose(self, service: str, kind: str, *routes: str, **more: Any) -> None:
        """A gremlin on one service, named after its kind."""
        command = {"kind": kind, "routes": list(routes) or ["*"], **more}
        answer = await self.door(service).put(f"/gremlins/{kind}", json=command)
        assert answer.status_code == 200, answer.text

    async def calm(self) -> None:
        """No gremlin anywhere."""
        for client in self._clients.values():
            (await client.delete("/gremlins")).raise_for_status()

    # ---- looking --------------------------------------------------------------------------------

    async def row(self, order_id: str) -> asyncpg.Record:
        """The order as the database has it."""
        return await self.eyes.fetchrow("SELECT * FROM orders.orders WHERE id = $1", UUID(order_id))

    async def until(self, sql: str, *values: Any, within_s: float = 60) -> None:
        """Wait until the query says true."""
        end = time.monotonic() + within_s
        while not await self.eyes.fetchval(sql, *values):
            assert time.monotonic() < end, f"still not so after {within_s} s: {sql} {values}"
            await asyncio.sleep(0.03)

    async def settled(self, order_id: str, *, within_s: float = 60) -> asyncpg.Record:
        """The order once it is decided and, if confirmed, its stock is sold. Reading it through
        the API would hasten it, so this looks into the database."""
        await self.until(
            "SELECT status = 'FAILED' OR stock_committed_at IS NOT NULL"
            " FROM orders.orders WHERE id = $1",
            UUID(order_id),
            within_s=within_s,
        )
        return await self.row(order_id)

    async def hold(self, order_id: str) -> tuple[str, int] | None:
        """State and quantity of the order's reservation."""
        row = await self.eyes.fetchrow(
            "SELECT state, quantity FROM inventory.reservations WHERE order_id = $1",
            UUID(order_id),
        )
        return tuple(row) if row else None

    async def captures(self, order_id: str) -> list[str]:
        """What the gateway's own book has for the order."""
        rows = await self.eyes.fetch(
            "SELECT c.state FROM gateway.charges c JOIN payments.payments p"
            " ON p.payment_id::text = c.payment_ref WHERE p.order_id = $1",
            UUID(order_id),
        )
        return [row["state"] for row in rows]

    async def stock(self, product_id: str = "PROD-001") -> dict[str, int]:
        """The units of a product, once those of earlier orders are sold, which takes a moment."""
        await self.until(_SOLD)
        row = await self.eyes.fetchrow(
            "SELECT stock, reserved, sold FROM inventory.stock WHERE product_id = $1", product_id
        )
        return dict(row)

    async def refill(self) -> None:
        """At least fifty of everything."""
        await self.eyes.execute(delivery(50, where="stock < 50"))

    async def everything(self) -> dict[str, str]:
        """A fingerprint of every table, once what earlier orders left to do is done."""
        await self.until(_RECORDED)
        if not self._prints:
            tables = await self.eyes.fetch(_TABLES)
            self._prints = " UNION ALL ".join(_PRINT.format(table) for (table,) in tables)
        return dict(await self.eyes.fetch(self._prints))

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Nothing in the database is different afterwards."""
        before = await self.everything()
        yield
        after = await self.everything()
        assert after == before, [table for table in after if after[table] != before.get(table)]
