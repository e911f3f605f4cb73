"""What the dashboard's pages of wallets need: what is there, what was, and money moved once."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from fleet.settings import load
from frontend.wallets.actions import WalletActions
from frontend.wallets.panels import Asked, WalletSources
from frontend.wallets.view_models import HistoryView, MomentView, WalletsView
from services.wallet.client import WalletClient
from services.wallet.contract import (
    BalanceView,
    Deposit,
    PayProvider,
    TransactionPage,
    TransactionView,
    TransferMoney,
    WalletBalances,
    WalletPage,
    WalletView,
)
from tests.contracts.matching import match, shaped
from tests.contracts.need import At, Need, id_of
from tests.contracts.needs.pages import NOW, OPERATOR

# Of this user nothing is known before; what it got was its one deposit.
NEW, RICH, POOR = "erin", "alice", "bob"
KEY = {"X-API-Key": load("dashboard", {}).wallet_api_key}


def of_wallet() -> Iterator[Need]:
    """Pages to see, and forms to move money with."""
    yield from _pages()
    command = Deposit(1500, "EUR")
    yield _move("deposit money", "", "deposit", f"/wallets/{RICH}/deposits", command,
                {"user_id": RICH})  # fmt: skip
    money, to = "there is money in the wallet", {"user_id": RICH, "to_user_id": POOR}
    yield _move("move money", money, "transfer", "/transfers",
                TransferMoney(RICH, POOR, 1500, "EUR"), to)  # fmt: skip
    paid = PayProvider("demo-provider", "invoice-1", 1500, "EUR")
    form = {"user_id": RICH, "provider": "demo-provider", "reference": "invoice-1"}
    yield _move("pay a provider", money, "pay", f"/wallets/{RICH}/payments", paid, form)
    refused = {"code": "insufficient-funds", "details": {"available_minor": match.int(10)}}
    yield _move(
        "move more money than there is", money, "transfer", "/transfers",
        TransferMoney(RICH, POOR, 90_000_000, "EUR"), {**to, "amount": "900000"}, 409, refused,
        "refused",
    )  # fmt: skip


def _move(
    what: str, state: str, name: str, path: str, command: msgspec.Struct, form: dict[str, str],
    status: int = 201, answer: Any = None, known: str = "good",
) -> Need:  # fmt: skip
    key = str(id_of(what))

    async def ask(at: At) -> str:
        actions = WalletActions(WalletClient(at.peer, at.settings.wallet_api_key))
        filled = {"key": key, "amount": "15", "currency": "EUR", **form}
        return (await getattr(actions, name)(filled, OPERATOR)).toast.state

    return Need(what, state, ask, known, "POST", path, status, answer,
                msgspec.to_builtins(command), headers={**KEY, "Idempotency-Key": key})  # fmt: skip


def _pages() -> Iterator[Need]:
    balance = BalanceView("EUR", 2000, 500, 100, 1500)
    deposit = TransactionView(
        transaction_id=UUID(int=1), user_id=NEW, kind="DEPOSIT", status="COMPLETED", reason=None,
        amount_minor=2000, currency="EUR", balance_after_minor=2000, provider_id=None,
        external_reference=None, counterparty=None, refund_of=None, created_at=NOW, updated_at=NOW,
        trace_id="ab" * 16, trace_url="http://127.0.0.1:8080/traces/x",
    )  # fmt: skip

    def see(what: str, state: str, path: str, query: str, answer: Any, known: type) -> Need:
        async def ask(at: At) -> type:
            sources = WalletSources(WalletClient(at.peer, at.settings.wallet_api_key))
            page = {WalletsView: lambda: sources.wallets(""),
                    MomentView: lambda: sources.moment(RICH, Asked()),
                    HistoryView: lambda: sources.history(NEW, Asked())}[known]  # fmt: skip
            return type(await page())

        return Need(what, state, ask, known, "GET", path, 200, shaped(answer), given={"user": NEW},
                    headers=KEY, query=query)  # fmt: skip

    page = WalletPage([WalletView(RICH, NOW, [balance])], 20, False, None)
    yield see(
        "list wallets", "there is money in the wallet", "/wallets", "limit=20", page, WalletsView
    )
    yield see("see a wallet", "there is money in the wallet", f"/wallets/{RICH}/balance", "",
              WalletBalances(RICH, NOW, [balance]), MomentView)  # fmt: skip
    yield see("see a wallet's history", "a wallet was opened", f"/wallets/{NEW}/transactions",
              "limit=20", TransactionPage([deposit], 20, False, None), HistoryView)  # fmt: skip
