"""API keys are made, rotated and revoked over HTTP, and `valerix` says what it did."""

import asyncio

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.services.wallet.wallet_shop import WalletShop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _opens(wallets: WalletShop, key: str) -> bool:
    answer = await wallets.http.get("/wallets/alice/balance", headers={"X-API-Key": key})
    return answer.status_code == 200


async def test_a_rotated_key_has_a_successor_and_ends_when_it_is_revoked(wallets: WalletShop):
    made = (await wallets.http.post("/api-keys", json={"application": "till"})).json()
    first = f"/api-keys/{made['key_id']}"
    next_ = (await wallets.http.post(f"{first}/rotate", json={"in_s": 3600})).json()
    assert next_["application"] == "till"
    assert [await _opens(wallets, made["key"]), await _opens(wallets, next_["key"])] == [True, True]
    gone = await wallets.http.post(f"{first}/revoke")
    assert gone.status_code == 200
    assert (await wallets.http.post(f"{first}/revoke")).status_code == 404
    listed = (await wallets.http.get("/api-keys")).text
    assert made["key_id"] in listed
    assert next_["key"] not in listed


async def test_the_command_line_moves_money_and_says_what_is_left(
    wallets: WalletShop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VALERIX_WALLET_URL", str(wallets.http.base_url).rstrip("/"))
    user, payee = await wallets.fill(1000), await wallets.fill(1)
    for command, shown in (
        (["pay", user, "demo-provider", "400"], "APPROVED"),
        (["transfer", user, payee, "100"], "leaves 5.00"),
        (["deposit", payee, "100"], "not sealed yet"),
        (["balance", user], "5.00"),
        (["list", "--limit", "100"], user),
        (["transactions", user], "PAYMENT"),
    ):
        # In a thread of its own: the service it asks runs in this one.
        result = await _run("wallet", *command)
        assert shown in result, (command, result)
    key = (await _run("keys", "create", "phone", "--user", user)).strip()
    assert key.split("_")[1] in await _run("keys", "list")


async def _run(*command: str) -> str:

    result = await asyncio.to_thread(CliRunner().invoke, main, list(command))
    assert result.exit_code == 0, result.output
    return result.output
