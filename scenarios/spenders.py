"""The act's own spenders: they pay a provider from one wallet, all of them at once if need be."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from msgspec import Struct

from chassis.http.outbound import Peer, decode
from chassis.outcome import CallResult, Outcome
from scenarios.failures import ActionFailed
from scenarios.model import FillWallet, Spend
from scenarios.settings import ScenarioSettings
from scenarios.visitors import PAUSE_S, Visitors
from services.wallet.client import WalletClient
from services.wallet.contract import (
    GATEWAY_ERROR,
    INSUFFICIENT_FUNDS,
    MAX_AMOUNT_MINOR,
    WALLET_NOT_FOUND,
    BalanceView,
    Deposit,
    PayProvider,
    WalletBalances,
)
from topology import NAMES

_TRIES_AGAIN = frozenset({"no_money", "not_taken", "declined"})
# Longer than any of them waits for the wallet, for a place and for the gateway.
_DEADLINE_S = 10.0
# Where a wallet has too much, the rest goes there.
_TAKES_THE_REST = "demo-provider"
# A credit is sealed within a second, a payment in doubt is found out within some.
_FILL_LOOKS = 100


class AnsweredSpender(Struct, frozen=True):
    """A spender's payment, and what was said of it last."""

    user_id: str
    reference: str
    response: str


class SpenderTraffic(Visitors[Spend]):
    """The spenders of one act. Of one who tries again, `responses` counts the last answer."""

    key = "wallet"
    labels = ("paid", "no_money", "declined", "not_taken", "refused", "turned_away", "unclear")
    # A hundred at one wallet wait for each other, and a payment in doubt for its repair.
    attempts = 60
    longest_pause_s = 3.0

    def __init__(
        self,
        settings: ScenarioSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(settings, sleep=sleep)
        self.answered: list[AnsweredSpender] = []

    async def visit(self, peer: Peer, spend: Spend) -> None:
        """One payment, and others after it while it is refused and there are tries left."""
        client, response = WalletClient(peer, self._settings.wallet_api_key), "unclear"
        for tried in range(spend.tries):
            if tried:
                await self.pause(tried)
            key = f"act-{secrets.token_hex(16)}"
            command = PayProvider(spend.provider, key, spend.amount, spend.currency)
            response = await self.ask(
                lambda command=command, key=key: client.pay(  # type: ignore[misc]
                    spend.user, command, key, deadline_s=_DEADLINE_S
                ),
                _response_of,
            )
            if len(self.answered) < self.remembered:
                self.answered.append(AnsweredSpender(spend.user, key, response))
            if response not in _TRIES_AGAIN:
                break
            if response == "no_money" and await _is_spent(client, spend):
                break
        self.responses[response] += 1


def _response_of(answer: CallResult) -> str:
    if answer.code == GATEWAY_ERROR:
        return "not_taken"
    match answer.outcome:
        case Outcome.OK:
            return "paid"
        case Outcome.DEFINITE_NO if answer.status == 402:
            return "declined"
        case Outcome.DEFINITE_NO:
            return "no_money" if answer.code == INSUFFICIENT_FUNDS else "refused"
        case Outcome.NOT_SENT:
            return "turned_away"
    return "unclear"


async def _is_spent(client: WalletClient, spend: Spend) -> bool:
    """Whether trying again is of no use. While money is held for somebody else it is: it comes back
    where that payment is not taken."""
    try:
        now = await balance_of(client, spend)
    except ActionFailed:
        return False
    return not now.pending_out_minor and now.available_minor < spend.amount


async def fill_wallet(
    client: WalletClient, fill: FillWallet, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Put in what is missing, or pay what is too much, until exactly so much can be spent and
    nothing is on its way; raises `ActionFailed`."""
    for _ in range(_FILL_LOOKS):
        now = await balance_of(client, fill)
        missing = fill.exactly - now.available_minor
        if now.pending_in_minor or now.pending_out_minor:
            await sleep(PAUSE_S)
        elif missing > 0:
            await _demand(
                client.deposit(fill.user, Deposit(missing, fill.currency), secrets.token_hex(16))
            )
        elif missing < 0:
            key = f"act-{secrets.token_hex(16)}"
            surplus = min(-missing, MAX_AMOUNT_MINOR)
            rest = PayProvider(_TAKES_THE_REST, key, surplus, fill.currency)
            await _demand(client.pay(fill.user, rest, key))
        else:
            return
    raise ActionFailed(
        f"the wallet of {fill.user} could not be brought to {fill.exactly} {fill.currency} minor "
        "units: look at it with `valerix wallet transactions`"
    )


async def balance_of(client: WalletClient, of: FillWallet | Spend) -> BalanceView:
    """What the wallet has in that currency, nothing where there is none; raises `ActionFailed`."""
    answer = await client.balance(of.user)
    nothing = BalanceView(of.currency, 0, 0, 0, 0)
    if answer.code == WALLET_NOT_FOUND:
        return nothing
    # No answer, or a refusal, is no broken contract.
    is_answered = answer.outcome is Outcome.OK
    found: WalletBalances | None = decode(answer, WalletBalances) if is_answered else None
    if found is None:
        raise _failed(answer)
    return next((each for each in found.balances if each.currency == of.currency), nothing)


async def _demand(asked: Awaitable[CallResult]) -> None:
    answer = await asked
    # What is not clear shows in the balance, which is looked at again.
    if answer.outcome is Outcome.DEFINITE_NO:
        raise _failed(answer)


def _failed(answer: CallResult) -> ActionFailed:
    return ActionFailed(f"{NAMES['wallet']} refused: {answer.code or answer.status}")
