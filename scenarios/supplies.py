"""What steady traffic uses up is brought anew: goods on the shelves, money in its wallet, and the
token that its customers show."""

import secrets
from collections.abc import Mapping

from chassis.http.operator_auth import bearer, operator_headers
from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from scenarios.failures import ActionFailed
from scenarios.model import Spend
from scenarios.settings import ScenarioSettings
from scenarios.spenders import balance_of
from scenarios.token_holder import TokenHolder
from services.inventory.client import InventoryClient
from services.inventory.contract import StockList
from services.wallet.client import WalletClient
from services.wallet.contract import Deposit

# For so long both must last; a shelf is filled for three times that.
_LASTS_S, _DELIVERED_S = 60.0, 180.0
_LEAST = 100


class Supplies:
    """`products` are those that the shop sells, `shown` the header with its customers' token where
    one is needed, `note` says what could not be brought, and why."""

    def __init__(
        self,
        settings: ScenarioSettings,
        peers: Mapping[str, Peer],
        *,
        wallet: str,
        spends_minor: int,
        needs_token: bool,
    ) -> None:
        self._inventory = InventoryClient(peers["inventory"])
        self._wallets = WalletClient(peers["wallet"], settings.wallet_api_key)
        self._headers = {"X-Valerix-Actor": "traffic", **operator_headers(settings)}
        self._spend = Spend(user=wallet, amount=spends_minor)
        self.products: tuple[str, ...] = ("PROD-001",)
        self.shown: dict[str, str] = {}
        self.note = ""
        shopper = TokenHolder(settings, peers, named=wallet)
        self._shopper = shopper if needs_token else None

    async def top_up(self, rate: float) -> None:
        """Bring what would not last for a minute of `rate` visits a second."""
        least, more = max(_LEAST, int(rate * _LASTS_S)), int(rate * _DELIVERED_S) + _LEAST
        brought = {
            "goods": self._deliver(least, more),
            "the wallet": self._deposit(least, more),
            "the token": self._renew(),
        }
        notes = []
        for what, bring in brought.items():
            try:
                await bring
            except ActionFailed as why:
                notes.append(f"{what}: {why}")
        self.note = "; ".join(notes)

    def renew_token(self) -> None:
        """The next supply brings another token, whatever is left of this one: its key may have been
        withdrawn."""
        if self._shopper is not None:
            self._shopper.forget()

    async def _renew(self) -> None:
        if self._shopper is not None:
            self.shown |= bearer(await self._shopper.token())

    async def _deliver(self, least: int, units: int) -> None:
        found: StockList | None = decode(_demand(await self._inventory.stock()), StockList)
        for each in found.products if found else ():
            if each.stock < least:
                _demand(
                    await self._inventory.restock(each.product_id, units, headers=self._headers)
                )
        if found and found.products:
            self.products = tuple(each.product_id for each in found.products)

    async def _deposit(self, least: int, times: int) -> None:
        if (await balance_of(self._wallets, self._spend)).available_minor < (
            least * self._spend.amount
        ):
            command = Deposit(times * self._spend.amount, self._spend.currency)
            _demand(await self._wallets.deposit(self._spend.user, command, secrets.token_hex(16)))


def _demand(answer: CallResult) -> CallResult:
    if answer.outcome is not Outcome.OK:
        raise ActionFailed(answer.code or f"answered {answer.status}")
    return answer
