"""The README's section on wallets works as a newcomer types it."""

import pytest

from tests.harness.readme import lines, typed
from tests.services.wallet.wallet_shop import WalletShop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_line_of_the_readme_works_and_once(wallets: WalletShop):
    del wallets.http.headers["X-API-Key"]
    doors, written = {5004: wallets.http}, lines("Wallets", 5004)
    first = [(await typed(doors, line)).status_code for line in written]
    assert first == [200, 201, 200, 201, 201]
    await wallets.sealed()
    again = [await typed(doors, line) for line in written]
    assert [each.status_code for each in again] == first
    assert again[1].headers["Idempotent-Replayed"] == "true"
    [balance] = [each for each in again[0].json()["balances"] if each["currency"] == "EUR"]
    assert balance["available_minor"] == 100_000 - 1500 - 500
