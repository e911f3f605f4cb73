"""A replica of the payment service over accounts that are scripted gateways."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from chassis.http.outbound import Peer
from chassis.settings import Settings
from gateways import Declined
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.policy import Policy, read_policy
from tests.services.payment.payment_service import Replica, Scripted, open_replica

ACCOUNTS = ("alfa", "bravo", "charlie")


class Shop:
    """A replica whose accounts are three scripted gateways beside the one in the process."""

    def __init__(self, replica: Replica, gateways: dict[str, Scripted]) -> None:
        self.replica, self.gateways = replica, gateways
        self.eyes = replica.eyes

    async def pay(self, **fields: Any) -> Any:
        body = {"request_id": "r1", "merchant_id": "m1", "amount": 10_000, "currency": "EUR"}
        return await self.replica.http.post("/process-payment", json={**body, **fields})

    async def use(self, *accounts: str) -> None:
        """Let the merchant have these accounts."""
        await self.eyes.execute("UPDATE payments.merchants SET chain = $1", list(accounts))

    async def terms(self, account: str, **terms: int | str) -> None:
        """Let an account have these terms from now on; the others stay."""
        kept = ", ".join(
            {"fee_basis_points", "fee_fixed_minor", "minimum_minor", "maximum_minor",
             "daily_capacity_minor"} - set(terms)
        )  # fmt: skip
        await self.eyes.execute(
            "INSERT INTO payments.provider_terms"
            f" (account, currencies, {kept}, {', '.join(terms)})"
            f" SELECT account, currencies, {kept}, {', '.join(map(str, terms.values()))}"
            " FROM payments.provider_terms WHERE account = $1 ORDER BY since LIMIT 1",
            account,
        )

    async def use_policy(self, text: str) -> str:
        """Let the merchant have this policy; its version."""
        read = read_policy(text)
        assert isinstance(read, Policy), read
        await self.eyes.execute(
            "INSERT INTO payments.policies (version, text) VALUES ($1, $2)", read.version, read.text
        )
        await self.eyes.execute("UPDATE payments.merchants SET policy_version = $1", read.version)
        return read.version

    async def split(self) -> None:
        """Alfa takes 1.5 % of 50.00 at most, bravo 2 % of what is left."""
        await self.use("alfa", "bravo")
        await self.terms("alfa", maximum_minor=5000, fee_fixed_minor=0)
        await self.terms("bravo", fee_fixed_minor=0)

    async def attempts(self) -> list[tuple[int, str, str]]:
        rows = await self.eyes.fetch(
            "SELECT leg_n, provider, state FROM payments.attempts ORDER BY payment_id, leg_n, n"
        )
        return [tuple(row) for row in rows]

    async def forget(self) -> None:
        """What a test leaves in the process is gone, but for what was counted."""
        for gateway in self.gateways.values():
            await gateway.forget()
        await self.replica.forget()


def codes(answer: Any) -> list[str | None]:
    return [step["error_code"] for step in answer.json()["steps"]]


@asynccontextmanager
async def open_shop(
    settings: Settings, connection: asyncpg.Connection, wallets: Peer | None = None
) -> AsyncIterator[Shop]:
    """With these settings, seen over this connection; `wallets` is the wire to them."""
    stores = {account: MockStore(settings) for account in ACCOUNTS}
    gateways = {
        account: Scripted(Mock(stores[account], decline_rate=0.0, seed=1, fences=True), 0.01)
        for account in ACCOUNTS
    }
    async with open_replica(settings, connection, accounts=gateways, wallets=wallets) as replica:
        yield Shop(replica, gateways)
    for store in stores.values():
        await store.close()


async def decline(shop: Shop, monkeypatch: pytest.MonkeyPatch, account: str, code: str) -> None:
    inner = shop.gateways[account]._inner  # noqa: SLF001 - the verdict of one account
    monkeypatch.setattr(inner, "verdict", lambda *money: Declined(code))
