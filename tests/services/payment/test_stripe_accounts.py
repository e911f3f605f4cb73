"""Accounts behind Stripe's API: the real acquirer, asked through the official library."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
import stripe

from chassis.settings import BadSetting, Settings
from fleet.settings import load
from gateways import AttemptRef, GatewayNotSent, GatewayUnknown, stripe_api
from services.payment import cancelling, store
from services.payment.app import stripe_accounts
from services.payment.cancelling import Cancel
from services.payment.domain import AttemptId
from tests.harness.readme import lines, typed
from tests.harness.running import RunningFleet
from tests.harness.serving import knock
from tests.services.payment.payment_service import Replica, open_replica

in_module_loop = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-the-shops-operator"
FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": TOKEN}
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
KEYS = "alfa=sk_test_alfa,bravo=sk_test_bravo,charlie=sk_test_charlie"


class Shop:
    """A replica whose accounts are the acquirer's, and a look at both."""

    def __init__(self, replica: Replica, url: str) -> None:
        self.replica, self.url = replica, url

    async def pay(self, **fields: Any) -> httpx.Response:
        body = {"request_id": "r1", "merchant_id": "m1", "amount": 10_000, "currency": "EUR"}
        return await self.replica.http.post("/process-payment", json={**body, **fields})

    async def arrange(self, sql: str, *values: Any) -> None:
        await self.replica.eyes.execute(sql, *values)

    async def attempts(self) -> list[tuple[str, str]]:
        rows = await self.replica.eyes.fetch(
            "SELECT provider, state FROM payments.attempts ORDER BY leg_n, n"
        )
        return [tuple(row) for row in rows]

    async def mode(self, account: str, mode: str) -> None:
        async with knock(self.url) as http:
            answer = await http.put(
                f"/accounts/{account}/mode",
                json={"mode": mode},
                headers=OPERATOR,
            )
            assert answer.status_code == 200, answer.text

    async def gremlin(self, kind: str, route: str) -> None:
        async with knock(self.url, headers=OPERATOR) as http:
            command = {"kind": kind, "routes": [route]}
            answer = await http.put("/gremlins/line", json=command)
            assert answer.status_code in (200, 201), answer.text

    async def calm(self) -> None:
        async with knock(self.url, headers=OPERATOR) as http:
            (await http.delete("/gremlins/line")).raise_for_status()

    def intents(self, account: str, payment_id: str) -> list[Any]:
        """What the account has of a payment."""
        client = stripe.StripeClient(f"sk_test_{account}", base_addresses={"api": self.url})
        found = client.v1.payment_intents.list({"limit": 100}).data
        return [each for each in found if each.metadata["payment"] == payment_id]


@pytest_asyncio.fixture(loop_scope="module")
async def shop(
    fleet: RunningFleet,
    payment_settings: Callable[..., Settings],
    connection: asyncpg.Connection,
) -> AsyncIterator[Shop]:
    url = fleet.url("acquirer")
    settings = payment_settings(payment_stripe_accounts=KEYS, payment_stripe_url=url)
    accounts = stripe_accounts(settings)  # type: ignore[arg-type]
    await connection.execute("UPDATE payments.merchants SET chain = '{alfa,bravo,mock}'")
    async with open_replica(settings, connection, accounts=accounts) as replica:
        shop = Shop(replica, url)
        yield shop
        for account in ("alfa", "bravo"):
            await shop.mode(account, "happy")
    for each in accounts.values():
        await each.close()


async def _split(shop: Shop) -> None:
    """Alfa takes half of the amount at most, and nothing is cheaper than the two of them."""
    await shop.arrange(
        "INSERT INTO payments.provider_terms (account, currencies, fee_basis_points,"
        " fee_fixed_minor, minimum_minor, maximum_minor) VALUES"
        " ('alfa', '{EUR}', 150, 0, 1, 5000), ('bravo', '{EUR}', 200, 0, 1, 99999999)"
    )


@in_module_loop
async def test_a_payment_is_taken_at_the_acquirer(shop: Shop):
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["success"]) == (200, True), answer.text
    assert await shop.attempts() == [("alfa", "SUCCEEDED")]
    [intent] = shop.intents("alfa", answer.json()["payment_id"])
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)


@in_module_loop
async def test_every_line_of_the_readme_works_and_takes_money_once(shop: Shop):
    await shop.arrange("UPDATE payments.merchants SET chain = '{alfa,bravo,charlie,mock}'")
    written = lines("Pay", 5003, 5010)
    async with knock(shop.url, headers=OPERATOR) as acquirer:
        doors = {5003: shop.replica.http, 5010: acquirer}
        r1, r2, silent, r3, happy = [await typed(doors, line) for line in written]
        assert [each.status_code for each in (r1, r2, silent, r3, happy)] == [
            200, 200, 200, 202, 200,
        ]  # fmt: skip
        assert [step["provider_name"] for step in r1.json()["steps"]] == ["charlie"]
        took = {step["provider_name"] for step in r2.json()["steps"]}
        assert took == {"alfa", "bravo", "charlie", "mock"}
        await shop.replica.reconcile()
        again = [await typed(doors, written[at]) for at in (0, 1, 3)]
    assert [each.content for each in again[:2]] == [r1.content, r2.content]
    assert again[2].status_code == 200
    intents = shop.intents("alfa", again[2].json()["payment_id"])
    assert sum(each.amount_received for each in intents) == 5000


@in_module_loop
async def test_a_split_is_authorised_at_both_accounts_and_then_captured(shop: Shop):
    await _split(shop)
    answer = await shop.pay()
    assert answer.status_code == 200, answer.text
    assert await shop.attempts() == [("alfa", "SUCCEEDED"), ("bravo", "SUCCEEDED")]
    for account in ("alfa", "bravo"):
        [intent] = shop.intents(account, answer.json()["payment_id"])
        assert (intent.status, intent.capture_method) == ("succeeded", "manual")
        assert intent.amount_received == 5000


@in_module_loop
async def test_a_declined_intent_is_cancelled_so_that_it_can_never_be_paid(shop: Shop):
    await shop.arrange("UPDATE payments.merchants SET method = 'pm_card_chargeDeclinedLostCard'")
    answer = await shop.pay()
    [step] = answer.json()["steps"]
    assert (answer.status_code, step["error_code"]) == (402, "Declined")
    assert step["details"]["attempts"][0]["detail"] == "lost_card"
    [intent] = shop.intents("alfa", answer.json()["payment_id"])
    assert intent.status == "canceled"


@in_module_loop
async def test_a_bank_that_wants_to_see_the_customer_is_a_decline_that_says_so(shop: Shop):
    await _split(shop)
    await shop.arrange("UPDATE payments.merchants SET method = 'pm_card_authenticationRequired'")
    answer = await shop.pay()
    assert answer.status_code == 402, answer.text
    declined = [each for each in answer.json()["steps"] if each["error_code"] == "Declined"]
    assert declined
    assert {each["details"]["decline_code"] for each in declined} == {"authentication_required"}
    payment = await shop.replica.http.get(f"/payments/{answer.json()['payment_id']}")
    assert payment.json()["decline_code"] == "authentication_required"
    states = {each.status for each in shop.intents("alfa", answer.json()["payment_id"])}
    assert states == {"canceled"}


@in_module_loop
async def test_an_account_whose_own_day_is_used_up_leaves_the_leg_to_another(
    shop: Shop, fleet: RunningFleet
):
    outside = await asyncpg.connect(fleet.database_url)
    capacity = "UPDATE acquirer.accounts SET daily_capacity_minor = $1 WHERE name = 'alfa'"
    await outside.execute(capacity, 1)
    answer = await shop.pay()
    await outside.execute(capacity, 10_000_000_000)
    await outside.close()
    assert answer.status_code == 200, answer.text
    assert await shop.attempts() == [("alfa", "FAILED"), ("bravo", "SUCCEEDED")]
    first, _ = answer.json()["steps"][0]["details"]["attempts"]
    assert first["detail"] == "charge_exceeds_source_limit"


@in_module_loop
async def test_a_split_that_one_account_declines_is_let_go_at_the_other(shop: Shop):
    await _split(shop)
    await shop.arrange("UPDATE payments.merchants SET chain = '{alfa,bravo}'")
    await shop.mode("bravo", "declined")
    answer = await shop.pay()
    assert answer.status_code == 402
    assert await shop.attempts() == [("alfa", "VOIDED"), ("bravo", "FAILED")]
    [intent] = shop.intents("alfa", answer.json()["payment_id"])
    assert (intent.status, intent.amount_received) == ("canceled", 0)


@in_module_loop
async def test_an_account_that_fails_is_asked_again_and_no_other_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.mode("alfa", "500")
    answer = await shop.pay()
    assert answer.status_code == 202
    # However often it is asked, there is no third intent before the attempt is older.
    monkeypatch.setattr(stripe_api, "FURTHER_KEY_S", 3600.0)
    for _ in range(3):
        await shop.replica.reconcile()
    before = shop.intents("alfa", answer.json()["payment_id"])
    for _ in range(3):
        await shop.replica.reconcile()
    assert len(shop.intents("alfa", answer.json()["payment_id"])) == len(before) <= 4
    await shop.mode("alfa", "happy")
    monkeypatch.setattr(stripe_api, "FURTHER_KEY_S", 0.001)
    await shop.replica.reconcile()
    final = await shop.pay()
    assert final.status_code == 200, final.text
    assert await shop.attempts() == [("alfa", "SUCCEEDED")]
    taken = [each.status for each in shop.intents("alfa", final.json()["payment_id"])]
    assert taken.count("succeeded") == 1


@in_module_loop
async def test_an_intent_whose_answer_is_lost_is_asked_for_again_and_is_one_intent(shop: Shop):
    await shop.gremlin("lost_response", "POST /v1/payment_intents")
    assert (await shop.pay()).status_code == 202
    page = (await shop.replica.http.get("/metrics")).text
    assert 'valerix_provider_retries_total{operation="charge",provider="alfa"} 2.0' in page
    await shop.calm()
    await shop.replica.reconcile()
    final = await shop.pay()
    assert final.status_code == 200, final.text
    [intent] = shop.intents("alfa", final.json()["payment_id"])
    assert intent.amount_received == 10_000


@in_module_loop
async def test_a_confirm_whose_answer_is_lost_is_never_asked_for_again(shop: Shop):
    await shop.gremlin("lost_response", "POST /v1/payment_intents/{intent_id}/confirm")
    answer = await shop.pay()
    assert answer.status_code == 202
    await shop.calm()
    page = (await shop.replica.http.get("/metrics")).text
    assert "valerix_provider_retries_total{" not in page
    await shop.replica.reconcile()
    [intent] = shop.intents("alfa", answer.json()["payment_id"])
    assert (await shop.pay()).json()["success"]
    assert intent.amount_received == 10_000


@in_module_loop
async def test_an_account_that_cannot_be_reached_is_passed_by(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection, fleet: RunningFleet
):
    settings = payment_settings(
        payment_stripe_accounts="alfa=sk_test_alfa", payment_stripe_url="http://127.0.0.1:1"
    )
    accounts = stripe_accounts(settings)  # type: ignore[arg-type]
    accounts |= stripe_accounts(  # type: ignore[arg-type]
        payment_settings(
            payment_stripe_accounts="bravo=sk_test_bravo", payment_stripe_url=fleet.url("acquirer")
        )
    )
    async with open_replica(settings, connection, accounts=accounts) as replica:
        shop = Shop(replica, fleet.url("acquirer"))
        answer = await shop.pay()
        assert answer.status_code == 200, answer.text
        assert [provider for provider, _ in await shop.attempts()] == ["alfa", "bravo"]
    for each in accounts.values():
        await each.close()


@in_module_loop
async def test_a_cancel_gives_the_money_back_once(shop: Shop):
    payment_id = (await shop.pay()).json()["payment_id"]
    command = Cancel(UUID(payment_id), None, "REFUND", "hand")
    ended = await asyncio.gather(
        *(cancelling.cancel(shop.replica.context, command) for _ in range(3))
    )
    assert "REFUNDED" in {payment.state for payment in ended}
    client = stripe.StripeClient("sk_test_alfa", base_addresses={"api": shop.url})
    [intent] = shop.intents("alfa", payment_id)
    refunds = client.v1.refunds.list({"payment_intent": intent.id}).data
    assert [refund.amount for refund in refunds] == [10_000]


@in_module_loop
async def test_a_payment_nobody_had_confirmed_is_fenced_by_its_cancel(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stripe_api, "FURTHER_KEY_S", 0.001)
    await shop.mode("alfa", "500")
    payment_id = (await shop.pay()).json()["payment_id"]
    await shop.mode("alfa", "happy")
    command = Cancel(UUID(payment_id), None, "USER_CANCELLED", "hand")
    # On a busy machine it may take longer than one request waits.
    async with asyncio.timeout(20):
        while (await cancelling.cancel(shop.replica.context, command)).state == "CANCELLING":
            await asyncio.sleep(0.1)
    assert (await cancelling.cancel(shop.replica.context, command)).state == "CANCELLED"
    assert "succeeded" not in {each.status for each in shop.intents("alfa", payment_id)}


NUMBER = "4242424242424242"


@in_module_loop
async def test_a_card_is_known_here_by_the_account_s_name_for_it_alone(shop: Shop):
    card = {"number": NUMBER, "exp_month": 12, "exp_year": 2099, "cvc": "737"}
    assert (await shop.pay(payment_method={"card": card})).status_code == 200
    method = await shop.replica.eyes.fetchval("SELECT method FROM payments.attempts")
    assert method.startswith("pm_")
    for table in ("payments.plans", "payments.attempts", "payments.requests"):
        dump = await shop.replica.eyes.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert NUMBER not in dump


@in_module_loop
async def test_a_card_that_no_account_will_ever_take_is_a_bad_field(shop: Shop):
    card = {"number": NUMBER, "exp_month": 12, "exp_year": 2098, "cvc": "737"}
    await shop.arrange("UPDATE payments.merchants SET chain = '{alfa,bravo}'")
    refused = await shop.pay(payment_method={"card": card})
    assert (refused.status_code, refused.json()["details"][0]["pointer"]) == (
        400, "/payment_method/card",
    )  # fmt: skip
    assert "invalid_expiry_year" in refused.json()["detail"]


@pytest.mark.parametrize("written", ["alfa", "alfa=", "=key", "alfa=a,bravo"])
def test_accounts_that_cannot_be_read_are_refused_in_one_line(written: str):
    with pytest.raises(BadSetting, match="VALERIX_PAYMENT_STRIPE_ACCOUNTS cannot be used"):
        stripe_accounts(load("payment", {}, payment_stripe_accounts=written))  # type: ignore[arg-type]


def test_the_keys_of_a_create_are_few_and_none_is_used_for_a_day():
    ages = [minutes * 60.0 + seconds for minutes in range(3 * 24 * 60) for seconds in (0, 1, 2, 5)]
    numbers = [stripe_api.key_number(age) for age in ages]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert stripe_api.key_number(6 * 3600.0) <= 16
    assert stripe_api.key_number(24 * 3600.0) <= 20
    used = {
        n: [age for age, each in zip(ages, numbers, strict=True) if each == n] for n in {*numbers}
    }
    # A key is also the one after the one before.
    assert all(max(used.get(n + 1, ages_)) - min(ages_) < 23 * 3600 for n, ages_ in used.items())


def test_a_shop_can_do_without_accounts():
    settings = load("payment", {"VALERIX_PAYMENT_STRIPE_ACCOUNTS": ""})
    assert stripe_accounts(settings) == {}  # type: ignore[arg-type]


@in_module_loop
async def test_of_two_intents_for_one_attempt_only_the_first_kept_is_ever_confirmed(shop: Shop):
    await shop.mode("alfa", "500")
    payment_id = (await shop.pay()).json()["payment_id"]
    await shop.mode("alfa", "happy")
    connection = shop.replica.context.database
    attempt = AttemptId(UUID(payment_id), 1, 1)
    async with connection.connect() as one:
        kept = [await store.keep_ref(one, attempt, name) for name in ("pi_a", "pi_b", "pi_a")]
    assert kept == [True, False, True]
    await shop.arrange("UPDATE payments.attempts SET state = 'FAILED'")
    async with connection.connect() as one:
        assert not await store.keep_ref(one, attempt, "pi_a")


@in_module_loop
async def test_a_question_that_is_not_sent_after_the_money_was_asked_for_is_no_not_sent(
    unused_tcp_port: int,
):
    """The account takes the confirm and is gone before it can be asked what became of it."""

    async def confirm_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.close()
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"id": "pi_1", "object": "payment_intent"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(confirm_and_leave, "127.0.0.1", unused_tcp_port)
    [account] = stripe_accounts(
        load("payment", {}, payment_stripe_accounts="alfa=sk_test_alfa",
             payment_stripe_url=f"http://127.0.0.1:{unused_tcp_port}")  # type: ignore[arg-type]
    ).values()  # fmt: skip
    asked = AttemptRef("pay_x:1:1", "x", 100, "EUR", "alfa", "pm_card_visa", "pi_1")
    with pytest.raises(GatewayUnknown):
        await account.authorise(asked, capture=True)
    with pytest.raises(GatewayNotSent):
        await account.authorise(asked, capture=True)
    await account.close()
