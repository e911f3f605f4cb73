"""An act's wallet is filled to exactly so much; its spenders try again while that may help."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from chassis.http.outbound import Peer
from fleet.settings import load
from scenarios.executor import Executor
from scenarios.failures import ActionFailed
from scenarios.model import FillWallet, Spend
from tests.harness import wire
from topology import NAMES

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILL = FillWallet(user="hot", exactly=500)
SPEND = Spend(user="hot", amount=100, count=1, tries=5)
PAID = wire.http(201, b"{}")


def holds(available: int, held: int = 0) -> bytes:
    """What the wallet service says of a wallet."""
    balance = {
        "currency": "EUR", "posted_minor": available + held, "pending_out_minor": held,
        "pending_in_minor": 0, "available_minor": available,
    }  # fmt: skip
    body = {"user_id": "hot", "at": "2026-11-21T12:00:00Z", "balances": [balance]}
    return wire.http(200, json.dumps(body).encode())


def refuses(status: int, code: str) -> bytes:
    """A problem of the wallet service's."""
    problem = json.dumps({"code": code}).encode()
    return wire.http(status, problem, media_type="application/problem+json")


class Wallets:
    """A wallet service that answers these, one after the other; `asked` is what it was asked."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self._answers = iter(answers)
        self.asked: list[str] = []
        self.amounts: list[int] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _, body = (await wire.read_request(reader)).partition(b"\r\n\r\n")
            self.asked.append(head.split()[1].decode().removeprefix("/wallets/hot/"))
            if body:
                self.amounts.append(json.loads(body)["amount"])
            writer.write(next(self._answers))


async def _at(wallets: Wallets, does: FillWallet | Spend) -> Executor:
    async def no_pause(_: float) -> None:
        """Nothing here takes time."""

    async with wire.listen(wallets) as url:
        settings = load("dashboard", {}, wallet_url=url)
        peer = Peer(NAMES["wallet"], url, settings, connections=1)
        executor = Executor(settings, {"wallet": peer}, actor="a test", sleep=no_pause)
        try:
            if isinstance(does, FillWallet):
                await executor.arrange(does)
            else:
                await executor.do(does)
        finally:
            await peer.close()
    return executor


async def test_a_wallet_that_is_not_there_is_opened_with_what_is_wanted():
    wallets = Wallets([refuses(404, "wallet-not-found"), PAID, holds(500)])
    await _at(wallets, FILL)
    assert (wallets.asked, wallets.amounts) == (["balance", "deposits", "balance"], [500])


async def test_what_is_too_much_is_paid_away_once_nothing_is_held():
    wallets = Wallets([holds(700, held=50), holds(750), PAID, holds(500)])
    await _at(wallets, FILL)
    assert (wallets.asked, wallets.amounts) == (
        ["balance", "balance", "payments", "balance"],
        [250],
    )


async def test_a_wallet_that_this_key_does_not_open_ends_the_act():
    with pytest.raises(ActionFailed, match="wallet-service refused: api-key-needed"):
        await _at(Wallets([refuses(401, "api-key-needed")]), FILL)


POOR = refuses(409, "insufficient-funds")


@pytest.mark.parametrize(
    ("answers", "response"),
    [
        ([PAID], "paid"),
        # Money that is held may come back; once nothing is, it does not.
        ([POOR, holds(0, held=100), PAID], "paid"),
        ([POOR, holds(0, held=100), POOR, holds(0)], "no_money"),
        ([POOR, holds(100), PAID], "paid"),
        ([refuses(502, "gateway-error"), PAID], "paid"),
        ([refuses(409, "idempotency-in-progress"), refuses(504, "gateway-timeout"), PAID], "paid"),
        ([refuses(404, "provider-not-found")], "refused"),
    ],
)
async def test_a_spender_tries_again_while_that_may_help(answers: Sequence[bytes], response: str):
    executor = await _at(Wallets(answers), SPEND)
    responses = {name: n for name, n in executor.spenders.responses.items() if n}
    assert responses == {response: 1}
