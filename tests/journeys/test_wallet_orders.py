"""Orders that are paid from a wallet: taken once, refused, and given back."""

import pytest

from proof.evaluate import evaluate
from tests.journeys.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def balance(shop: Shop, user: str) -> int:
    """What the user can spend, once what came back is sealed."""
    await shop.until(
        "SELECT NOT EXISTS (SELECT FROM wallets.entries WHERE chained AND version IS NULL)"
    )
    found: int = await shop.eyes.fetchval(
        "SELECT available_minor FROM wallets.wallet_balances WHERE (user_id, currency) = ($1, $2)",
        user, "EUR",
    )  # fmt: skip
    return found


async def test_an_order_is_paid_from_the_wallet_that_it_names(shop: Shop):
    before, key = await balance(shop, "alice"), "an-order-of-alice"
    answer = await shop.place(wallet="alice", key=key)
    assert (answer.status_code, answer.json()["wallet_id"]) == (201, "alice"), answer.text
    assert (await shop.place(wallet="alice", key=key)).content == answer.content
    assert (await shop.place(wallet="bob", key=key)).status_code == 422
    assert await balance(shop, "alice") == before - answer.json()["amount_minor"]
    assert await shop.captures(answer.json()["order_id"]) == []


async def test_an_order_that_a_wallet_cannot_pay_is_declined_and_frees_its_goods(shop: Shop):
    before = await balance(shop, "carol")
    answer = await shop.place(wallet="carol")
    assert (answer.status_code, answer.json()["code"]) == (402, "payment-declined"), answer.text
    row = await shop.settled(answer.json()["details"]["order_id"])
    assert (row["status"], row["reason"]) == ("FAILED", "PAYMENT_DECLINED")
    assert await shop.hold(str(row["id"])) == ("RELEASED", 1)
    assert await balance(shop, "carol") == before


async def test_a_cancelled_order_gives_the_wallet_its_money_back(shop: Shop):
    before = await balance(shop, "alice")
    # The money is taken, and nobody hears of it.
    await shop.let_loose("payment", "lost_response", "/payments")
    order_id = (await shop.place(wallet="alice")).json()["order_id"]
    await shop.until(
        "SELECT EXISTS (SELECT FROM wallets.holds h JOIN orders.orders o"
        " ON h.reference = o.payment_id::text WHERE o.id = $1 AND h.state = 'POSTED')",
        order_id,
    )
    await shop.order.post(f"/orders/{order_id}/cancel")
    await shop.calm()
    assert (await shop.settled(order_id))["reason"] == "USER_CANCELLED"
    assert await balance(shop, "alice") == before
    report = await evaluate(shop.eyes)
    assert {each.invariant.id for each in report.those("violated")} == set()


async def test_without_the_wallet_service_an_order_waits_and_is_never_guessed(shop: Shop):
    before = await balance(shop, "alice")
    await shop.let_loose("wallet", "lost_response", "/holds/{hold_key}")
    answer = await shop.place(wallet="alice")
    assert answer.status_code == 202, answer.text
    await shop.calm()
    assert (await shop.settled(answer.json()["order_id"]))["status"] == "CONFIRMED"
    assert await balance(shop, "alice") == before - answer.json()["amount_minor"]
