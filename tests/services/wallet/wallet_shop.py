"""The wallet service over the real acquirer, both on real sockets and one real database."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from chassis.http.edge import Edge
from chassis.settings import Settings
from tests.harness.serving import create_service, knock, serve, settings_of

DEFAULT_KEY = "wallet-demo-key"
QUICK = {
    "wallet_seal_every_s": 0.05,
    "wallet_probe_base_s": 0.05,
    "wallet_probe_max_s": 0.2,
    "wallet_place_wait_s": 20.0,  # a hundred at once on a busy machine are not turned away
    "wallet_gateway_timeout_s": 20.0,
    "pool_wait_s": 20.0,
    "lock_timeout_s": 20.0,
}
_numbers = itertools.count(1)


class WalletShop:
    """One wallet service, one acquirer, and a look at the tables."""

    def __init__(
        self, http: httpx.AsyncClient, acquirer: httpx.AsyncClient, eyes: asyncpg.Connection
    ) -> None:
        self.http, self.acquirer, self.eyes = http, acquirer, eyes

    async def fill(self, amount: int, currency: str = "EUR") -> str:
        """A new user with this much, sealed."""
        user = f"user-{next(_numbers)}"
        await self.deposit(user, amount, currency)
        await self.sealed()
        return user

    async def deposit(self, user: str, amount: int, currency: str = "EUR") -> httpx.Response:
        body = {"amount": amount, "currency": currency}
        return await self.post(f"/wallets/{user}/deposits", body)

    async def pay(self, user: str, amount: int = 100, *, key: str = "", **more: Any) -> Any:
        body = {
            "provider_id": "demo-provider", "external_reference": "invoice-1",
            "amount": amount, "currency": "EUR", **more,
        }  # fmt: skip
        return await self.post(f"/wallets/{user}/payments", body, key=key)

    async def transfer(self, payer: str, payee: str, amount: int, currency: str = "EUR") -> Any:
        body = {"from_user_id": payer, "to_user_id": payee, "amount": amount, "currency": currency}
        return await self.post("/transfers", body)

    async def post(self, path: str, body: object, *, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key or uuid4().hex}
        return await self.http.post(path, json=body, headers=headers)

    async def balance(self, user: str, currency: str = "EUR", at: str = "") -> dict[str, Any]:
        """One currency, as the service shows it."""
        answer = await self.http.get(f"/wallets/{user}/balance", params={"at": at} if at else {})
        assert answer.status_code == 200, answer.text
        [found] = [each for each in answer.json()["balances"] if each["currency"] == currency]
        return dict(found)

    async def history(self, user: str) -> list[tuple[str, str, int | None]]:
        """Kind, status and balance after, the newest first."""
        answer = await self.http.get(f"/wallets/{user}/transactions", params={"limit": 100})
        assert answer.status_code == 200, answer.text
        return [
            (each["kind"], each["status"], each["balance_after_minor"])
            for each in answer.json()["transactions"]
        ]

    async def mode(self, mode: str) -> None:
        """How the account behaves from now on."""
        answer = await self.acquirer.put("/accounts/wallets/mode", json={"mode": mode})
        assert answer.status_code == 200, answer.text

    async def captured(self, user: str) -> list[int]:
        """What the acquirer has taken for this user's payments."""
        rows = await self.eyes.fetch(
            "SELECT i.received_minor FROM wallets.transactions t"
            " JOIN acquirer.intents i ON i.metadata ->> 'payment' = t.transaction_id::text"
            " WHERE t.user_id = $1 AND i.status = 'succeeded'",
            user,
        )
        return [row[0] for row in rows]

    async def until(self, sql: str, *values: Any, within_s: float = 60) -> None:
        """Wait until the query says true."""
        end = time.monotonic() + within_s
        while not await self.eyes.fetchval(sql, *values):
            assert time.monotonic() < end, f"still not so after {within_s} s: {sql} {values}"
            await asyncio.sleep(0.02)

    async def sealed(self) -> None:
        """Every credit has its version."""
        await self.until(
            "SELECT NOT EXISTS (SELECT FROM wallets.entries WHERE chained AND version IS NULL)"
        )

    async def settled(self) -> None:
        """No payment is open."""
        await self.until(
            "SELECT NOT EXISTS (SELECT FROM wallets.transactions"
            " WHERE kind = 'PAYMENT' AND status = 'PENDING')"
        )


@asynccontextmanager
async def run_wallet(
    database_url: str, acquirer_url: str, **overrides: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """One more wallet service; yields a client that shows the default key."""
    settings = wallet_settings(database_url, acquirer_url, **overrides)
    app: Edge = create_service("wallet", settings)
    async with (
        serve(app, settings) as url,
        knock(url, headers={"X-API-Key": DEFAULT_KEY}, timeout=60) as http,
    ):
        yield http


def wallet_settings(database_url: str, acquirer_url: str, **overrides: Any) -> Settings:
    return settings_of("wallet", database_url, acquirer_url=acquirer_url, **{**QUICK, **overrides})
