"""What a wallet shows: now, at any instant there was, and as a history."""

import asyncio
from datetime import datetime

import msgspec
import pytest

from services.events.catalogue import TYPES
from tests.services.wallet.wallet_shop import WalletShop, run_wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _now(wallets: WalletShop) -> str:
    now: datetime = await wallets.eyes.fetchval("SELECT clock_timestamp()")
    return now.isoformat()


async def test_a_balance_can_be_read_at_any_instant(wallets: WalletShop):
    user, payee = await wallets.fill(1000), await wallets.fill(1)
    instants = [await _now(wallets)]
    await wallets.pay(user, 300)
    instants.append(await _now(wallets))
    await wallets.transfer(user, payee, 200)
    await wallets.sealed()
    instants.append(await _now(wallets))
    await wallets.deposit(user, 50)
    await wallets.sealed()
    posted = [(await wallets.balance(user, at=at))["posted_minor"] for at in instants]
    assert posted == [1000, 700, 500]
    assert (await wallets.balance(user))["posted_minor"] == 550
    assert (await wallets.balance(payee))["posted_minor"] == 201
    before = await wallets.balance(user, at="2020-01-01T00:00:00Z")
    assert (before["posted_minor"], before["available_minor"]) == (0, 0)


async def test_what_is_held_and_what_is_not_sealed_is_pending(
    wallets: WalletShop, module_database: str
):
    user = await wallets.fill(1000)
    # While the wallet is locked nothing can be sealed.
    async with wallets.eyes.transaction():
        await wallets.eyes.execute(
            "SELECT FROM wallets.wallet_balances WHERE user_id = $1 FOR UPDATE", user
        )
        shown = await wallets.deposit(user, 500)
        assert (shown.status_code, shown.json()["status"]) == (201, "PENDING")
        assert shown.json()["balance_after_minor"] is None
        found = await wallets.balance(user)
        at = await _now(wallets)
        assert (found["pending_in_minor"], found["available_minor"]) == (500, 1000)
    await wallets.sealed()
    then = await wallets.balance(user, at=at)
    assert (then["posted_minor"], then["pending_in_minor"]) == (1000, 500)
    await wallets.mode("timeout")
    async with run_wallet(
        module_database, str(wallets.acquirer.base_url), wallet_gateway_timeout_s=0.05,
        reconcile_poll_s=3600.0,
    ) as http:  # fmt: skip
        assert (
            await WalletShop(http, wallets.acquirer, wallets.eyes).pay(user, 700)
        ).status_code == 504
    # Held until the module's own service has found it out, and in the past for ever.
    await wallets.settled()
    held_at = await wallets.eyes.fetchval(
        "SELECT max(h.at) FROM wallets.transfers h JOIN wallets.wallet_balances w"
        " ON w.account_id = h.debit_account WHERE h.kind = 'hold' AND w.user_id = $1",
        user,
    )
    found = await wallets.balance(user, at=held_at.isoformat())
    assert (found["posted_minor"], found["pending_out_minor"]) == (1500, 700)
    assert (await wallets.balance(user))["available_minor"] == 1500


async def test_a_history_is_read_in_pages_and_each_row_links_to_its_trace(wallets: WalletShop):
    user = await wallets.fill(1000)
    for _ in range(4):
        await wallets.pay(user, 10)
    rows, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await wallets.http.get(f"/wallets/{user}/transactions", params=params)).json()
        rows += page["transactions"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [each["balance_after_minor"] for each in rows] == [960, 970, 980, 990, 1000]
    paid = rows[0]
    assert paid["trace_url"].endswith(f"/traces/{paid['trace_id']}")


async def test_wallets_are_listed_by_user_and_a_users_own_key_lists_one(wallets: WalletShop):
    user = await wallets.fill(1000)
    await wallets.deposit(user, 5, "JPY")
    await wallets.sealed()
    found, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await wallets.http.get("/wallets", params=params)).json()
        found += page["wallets"]
        cursor = page["next"]
        if cursor is None:
            break
    names = [each["user_id"] for each in found]
    known = "SELECT DISTINCT user_id FROM wallets.wallet_balances ORDER BY user_id"
    assert names == [row[0] for row in await wallets.eyes.fetch(known)]
    (own,) = [each for each in found if each["user_id"] == user]
    held = [(each["currency"], each["available_minor"]) for each in own["balances"]]
    assert held == [("EUR", 1000), ("JPY", 5)]
    body = {"application": "phone", "user_id": user}
    key = (await wallets.http.post("/api-keys", json=body)).json()["key"]
    seen = (await wallets.http.get("/wallets", headers={"X-API-Key": key})).json()
    assert [each["user_id"] for each in seen["wallets"]] == [user]


async def test_a_transfer_is_in_both_histories(wallets: WalletShop):
    payer, payee = await wallets.fill(1000), await wallets.fill(5)
    answer = await wallets.transfer(payer, payee, 400)
    assert (answer.status_code, answer.json()["kind"]) == (201, "TRANSFER_OUT")
    await wallets.sealed()
    assert (await wallets.history(payer))[0] == ("TRANSFER_OUT", "COMPLETED", 600)
    assert (await wallets.history(payee))[0] == ("TRANSFER_IN", "COMPLETED", 405)


async def test_every_sealed_entry_is_one_event_that_keeps_its_contract(wallets: WalletShop):
    user, payee = await wallets.fill(1000), await wallets.fill(1)
    await wallets.pay(user, 100)
    await wallets.transfer(user, payee, 100)
    await asyncio.gather(*(wallets.deposit(user, 1) for _ in range(5)))
    await wallets.sealed()
    events = await wallets.eyes.fetch(
        "SELECT o.aggregate_seq, o.type, o.payload::text FROM wallets.outbox o"
        " JOIN wallets.wallet_balances w ON w.account_id::text = o.aggregate_id"
        " WHERE w.user_id = $1 ORDER BY o.aggregate_seq",
        user,
    )
    assert [each["aggregate_seq"] for each in events] == list(range(1, 9))
    assert [each["type"] for each in events] == [
        "wallet.credited", "wallet.debited", "wallet.debited", *["wallet.credited"] * 5,
    ]  # fmt: skip
    for each in events:
        msgspec.json.decode(each["payload"], type=TYPES[each["type"]])
