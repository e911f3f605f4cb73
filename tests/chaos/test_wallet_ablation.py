"""Every guard of a wallet is load-bearing: without it the same scene overdraws the wallet."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from chassis.database.pool import Connection, statement
from gateways import AttemptRef, Captured
from proof.evaluate import evaluate
from services.wallet import store
from services.wallet.app import create_app
from services.wallet.domain import Wallet, WalletAttempt, demand_funds
from tests.harness.serving import knock, serve, settings_of

# Without these the database refuses by itself what the guard is there for.
_OWN_CHECKS = "ALTER TABLE wallets.wallet_balances DROP CONSTRAINT never_overdrawn"
_READ = statement(
    text(
        "SELECT account_id, available_minor FROM wallets.wallet_balances"
        " WHERE user_id = :user_id AND currency = :currency"
    )
)


class PatientAccount:
    """Takes everything, once it is let go on; until then it counts who has come."""

    def __init__(self) -> None:
        self.arrived, self.go_on = asyncio.Semaphore(0), asyncio.Event()

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """Waits."""
        self.arrived.release()
        await self.go_on.wait()
        return f"pi_{target.gw_key}"

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Captured:
        """Takes it."""
        return Captured(target.amount_minor, target.currency)

    async def void(self, target: AttemptRef) -> Captured:
        """It was taken."""
        return Captured(target.amount_minor, target.currency)

    async def close(self) -> None:
        """Has nothing open."""


class _Altered:
    """The statement that holds, with some of its words exchanged."""

    def __init__(self, *changes: tuple[str, str]) -> None:
        sql = store._HOLD.sql  # noqa: SLF001 - the guard is in its words
        for old, new in changes:
            assert sql.count(old) == 1, old
            sql = sql.replace(old, new)
        self.sql, self.parameters = sql, store._HOLD.parameters  # noqa: SLF001 - as above
        self.constants, self.name, self.changes = {}, "hold", True


@contextmanager
def no_lock() -> Iterator[None]:
    """Two read the balance before either holds."""
    both, hold = asyncio.Barrier(2), store.hold

    async def unlocked(tx: Connection, new: store.NewPayment, *, lease_s: float) -> WalletAttempt:
        row = await tx.row(_READ, user_id=new.user_id, currency=new.currency)
        assert row is not None
        demand_funds(Wallet(row["account_id"], row["available_minor"]), new.amount_minor)
        await both.wait()
        return await hold(tx, new, lease_s=lease_s)

    # It has looked already.
    altered = _Altered((" FOR UPDATE", ""), ("WHERE w.available_minor >= ", "WHERE 0 <= "))
    with patch.object(store, "_HOLD", altered), patch.object(store, "hold", unlocked):
        yield


def no_hold_in_the_check() -> AbstractContextManager[Any]:
    """What is held for another payment may be spent."""
    posted = (
        "SELECT account_id, available_minor",
        "SELECT account_id, posted_minor AS available_minor",
    )
    return patch.object(store, "_HOLD", _Altered(posted))


async def two_pay_with_money_for_one(database_url: str) -> list[int]:
    """Their statuses. Neither is answered by the gateway before both have come, or one was
    refused."""
    settings = settings_of("wallet", database_url, wallet_gateway_timeout_s=60.0)
    account = PatientAccount()
    body = {
        "provider_id": "demo-provider", "external_reference": "x", "amount": 5000,
        "currency": "EUR",
    }  # fmt: skip
    async with (
        serve(create_app(settings, make_account=lambda: account), settings) as url,
        knock(url, headers={"X-API-Key": "wallet-demo-key"}, timeout=60) as http,
    ):
        paying = [
            asyncio.create_task(
                http.post(
                    "/wallets/carol/payments", json=body, headers={"Idempotency-Key": uuid4().hex}
                )
            )
            for _ in range(2)
        ]
        await account.arrived.acquire()
        second = asyncio.create_task(account.arrived.acquire())
        await asyncio.wait([*paying, second], return_when=asyncio.FIRST_COMPLETED)
        account.go_on.set()
        answers = await asyncio.gather(*paying)
        second.cancel()
    return sorted(each.status_code for each in answers)


@pytest.fixture
async def tables(connection: asyncpg.Connection) -> asyncpg.Connection:
    """The first payment to a provider makes its account, and others wait for that."""
    await connection.execute("SELECT wallets.account_of('provider', 'demo-provider', 'EUR')")
    return connection


async def broken(connection: asyncpg.Connection) -> set[str]:
    """The promises that are violated, but for that about guards."""
    report = await evaluate(connection)
    return {each.invariant.id for each in report.those("violated")} - {"I30"}


@pytest.mark.parametrize(
    ("without", "answers", "breaks"),
    [
        (nullcontext, [201, 409], set()),
        (no_lock, [201, 201], {"W4"}),
        (no_hold_in_the_check, [201, 201], {"W4"}),
    ],
)
async def test_without_its_guard_a_wallet_is_overdrawn(
    database_url: str,
    tables: asyncpg.Connection,
    without: Callable[[], AbstractContextManager[Any]],
    answers: list[int],
    breaks: set[str],
):
    await tables.execute(_OWN_CHECKS)
    with without():
        found = await two_pay_with_money_for_one(database_url)
    assert found == answers
    assert await broken(tables) == breaks


@pytest.mark.parametrize("without", [no_lock, no_hold_in_the_check])
async def test_without_its_guard_the_database_still_refuses(
    database_url: str,
    tables: asyncpg.Connection,
    without: Callable[[], AbstractContextManager[Any]],
):
    with without():
        assert await two_pay_with_money_for_one(database_url) == [201, 500]
    assert await broken(tables) == set()
