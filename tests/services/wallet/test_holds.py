"""Holds of other services: each end, once, in any order of arrival."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from chassis.http.shop_identity import SHOP_HEADER
from tests.harness.serving import knock
from tests.services.wallet.wallet_shop import DEFAULT_KEY, WalletShop

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_key() -> str:
    return f"till_{uuid4()}"


async def place(wallets: WalletShop, user: str, key: str, amount: int = 400, **more: Any) -> Any:
    body = {"user_id": user, "amount": amount, "currency": "EUR", "reference": "order-1", **more}
    return await wallets.http.put(f"/holds/{key}", json=body)


async def step(wallets: WalletShop, key: str, name: str) -> Any:
    return await wallets.http.post(f"/holds/{key}/{name}")


async def test_what_is_held_is_taken_once_and_can_be_given_back_once(wallets: WalletShop):
    user, key = await wallets.fill(1000), a_key()
    answers = [await place(wallets, user, key) for _ in range(2)]
    assert [each.json()["state"] for each in answers] == ["HELD", "HELD"], answers[0].text
    assert (await wallets.balance(user))["available_minor"] == 600
    answers = [await step(wallets, key, "capture") for _ in range(2)]
    assert [each.json()["state"] for each in answers] == ["POSTED", "POSTED"], answers[0].text
    late = await step(wallets, key, "void")
    assert (late.status_code, late.json()["code"]) == (409, "hold-resolved")
    assert late.json()["details"]["state"] == "POSTED"
    answers = await asyncio.gather(*(step(wallets, key, "refund") for _ in range(4)))
    assert {each.json()["state"] for each in answers} == {"REFUNDED"}, answers[0].text
    await wallets.sealed()
    assert (await wallets.balance(user))["available_minor"] == 1000
    assert await wallets.history(user) == [
        ("REFUND", "COMPLETED", 1000),
        ("PURCHASE", "APPROVED", 600),
        ("DEPOSIT", "COMPLETED", 1000),
    ]
    kinds = await wallets.eyes.fetch(
        "SELECT type, payload ->> 'kind' AS kind FROM wallets.outbox"
        " WHERE payload ->> 'user_id' = $1 ORDER BY aggregate_seq",
        user,
    )
    assert [tuple(row) for row in kinds] == [
        ("wallet.credited", "DEPOSIT"),
        ("wallet.debited", "PURCHASE"),
        ("wallet.credited", "REFUND"),
    ]


async def test_a_hold_that_is_given_back_leaves_the_wallet_as_it_was(wallets: WalletShop):
    user, key = await wallets.fill(1000), a_key()
    await place(wallets, user, key)
    assert (await step(wallets, key, "void")).json()["state"] == "VOIDED"
    assert (await wallets.balance(user))["available_minor"] == 1000
    assert (await wallets.history(user))[:2] == [
        ("REFUND", "COMPLETED", 1000),
        ("PURCHASE", "VOIDED", 600),
    ]
    for late in (await place(wallets, user, key), await step(wallets, key, "capture")):
        assert (late.status_code, late.json()["details"]["state"]) == (409, "VOIDED")


async def test_a_hold_that_comes_after_its_void_is_refused(wallets: WalletShop):
    user, key = await wallets.fill(1000), a_key()
    assert (await step(wallets, key, "void")).json()["state"] == "VOIDED"
    late = await place(wallets, user, key)
    assert (late.status_code, late.json()["code"]) == (409, "hold-resolved")
    assert (await wallets.balance(user))["available_minor"] == 1000
    assert (await wallets.http.get(f"/holds/{key}")).json()["amount_minor"] is None


@pytest.mark.parametrize(
    ("user", "amount", "currency", "code"),
    [
        ("", 1001, "EUR", "insufficient-funds"),
        ("", 1, "JPY", "wrong-currency"),
        ("nobody", 1, "EUR", "wallet-not-found"),
    ],
)
async def test_a_refusal_is_the_keys_answer_for_good(
    wallets: WalletShop, user: str, amount: int, currency: str, code: str
):
    filled, key = await wallets.fill(1000), a_key()
    asked = {"amount": amount, "currency": currency}
    first = await place(wallets, user or filled, key, **asked)
    assert (first.status_code, first.json()["code"]) == (409, code)
    await wallets.deposit(filled, 1000)
    await wallets.sealed()
    assert (await place(wallets, user or filled, key, **asked)).json()["code"] == code
    assert (await step(wallets, key, "void")).json()["state"] == "REFUSED"
    assert (await wallets.http.get(f"/holds/{key}")).json()["reason"] == code


async def test_one_key_is_one_hold_and_many_keys_never_overdraw(wallets: WalletShop):
    user, key = await wallets.fill(1000), a_key()
    same = await asyncio.gather(*(place(wallets, user, key, capture=True) for _ in range(8)))
    assert {each.json()["state"] for each in same} == {"POSTED"}, same[0].text
    other = await place(wallets, user, key, 401, capture=True)
    assert (other.status_code, other.json()["code"]) == (422, "hold-key-reused")
    many = await asyncio.gather(*(place(wallets, user, a_key(), 100) for _ in range(12)))
    assert sorted(each.status_code for each in many) == [200] * 6 + [409] * 6
    assert (await wallets.balance(user))["available_minor"] == 0


async def test_a_void_and_its_hold_at_once_leave_nothing_held(wallets: WalletShop):
    user = await wallets.fill(1000)
    keys = [a_key() for _ in range(10)]
    await asyncio.gather(
        *(place(wallets, user, key, 50) for key in keys),
        *(step(wallets, key, "void") for key in keys),
    )
    assert (await wallets.balance(user))["available_minor"] == 1000


@asynccontextmanager
async def second_application(wallets: WalletShop) -> AsyncIterator[WalletShop]:
    made = await wallets.http.post("/api-keys", json={"application": "kiosk", "user_id": None})
    headers = {"X-API-Key": made.json()["key"]}
    async with knock(str(wallets.http.base_url), headers=headers) as http:
        yield WalletShop(http, wallets.acquirer, wallets.eyes)


async def test_a_hold_is_ended_by_the_application_that_made_it_alone(wallets: WalletShop):
    user, key = await wallets.fill(1000), a_key()
    await place(wallets, user, key)
    async with second_application(wallets) as other:
        for ends_as, own in (("HELD", "capture"), ("POSTED", "refund"), ("REFUNDED", "")):
            refused = [await step(other, key, each) for each in ("capture", "void", "refund")]
            refused.append(await other.http.get(f"/holds/{key}"))
            assert {(each.status_code, each.json()["code"]) for each in refused} == {
                (404, "hold-not-found")
            }
            again = await place(other, user, key)
            assert (again.status_code, again.json()["code"]) == (422, "hold-key-reused")
            assert (await wallets.http.get(f"/holds/{key}")).json()["state"] == ends_as
            if own:
                await step(wallets, key, own)


async def test_no_application_asks_under_a_key_of_the_payment_service(wallets: WalletShop):
    user, key = await wallets.fill(1000), f"pay_{uuid4()}:1:1"
    refused = [await place(wallets, user, key), await wallets.http.get(f"/holds/{key}")]
    refused += [await step(wallets, key, each) for each in ("capture", "void", "refund")]
    refused.append(await place(wallets, user, key.replace("_", "%5F")))
    assert {(each.status_code, each.json()["code"]) for each in refused} == {
        (403, "hold-key-reserved")
    }
    assert {each.headers["x-valerix-executed"] for each in refused} == {"no"}
    assert (await wallets.balance(user))["available_minor"] == 1000
    headers = {"X-API-Key": DEFAULT_KEY, SHOP_HEADER: str(uuid4())}
    async with knock(str(wallets.http.base_url), headers=headers) as stranger:
        foreign = await stranger.post(f"/holds/{key}/void")
    assert (foreign.status_code, foreign.json()["code"]) == (421, "foreign-shop")


async def test_holds_are_the_shops_alone(wallets: WalletShop):
    user = await wallets.fill(1000)
    made = await wallets.http.post("/api-keys", json={"application": "till", "user_id": user})
    headers = {"X-API-Key": made.json()["key"]}
    async with knock(str(wallets.http.base_url), headers=headers) as http:
        refused = await http.post(f"/holds/{a_key()}/refund")
    assert (refused.status_code, refused.json()["code"]) == (403, "one-users-key")
    unknown = await wallets.http.post(f"/holds/{a_key()}/refund")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "hold-not-found")
