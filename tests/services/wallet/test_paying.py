"""POST /wallets/{user_id}/payments: each answer of its contract, and what is true afterwards."""

import asyncio
import time
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from gateways import AttemptRef, Captured
from services.wallet.app import create_app
from services.wallet.breaker import Breaker
from tests.harness.serving import knock, serve
from tests.services.wallet.wallet_shop import WalletShop, run_wallet, wallet_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_payment_is_taken_once_and_leaves_the_wallet(wallets: WalletShop):
    user = await wallets.fill(1000)
    answer = await wallets.pay(user, 400)
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "APPROVED"
    assert answer.headers["Location"].endswith(answer.json()["transaction_id"])
    assert (await wallets.http.get(answer.headers["Location"])).json() == answer.json()
    assert await wallets.captured(user) == [400]
    found = await wallets.balance(user)
    assert (found["posted_minor"], found["pending_out_minor"], found["available_minor"]) == (
        600, 0, 600,
    )  # fmt: skip
    assert await wallets.history(user) == [
        ("PAYMENT", "APPROVED", 600),
        ("DEPOSIT", "COMPLETED", 1000),
    ]


async def test_more_than_there_is_is_refused_and_nobody_is_asked(wallets: WalletShop):
    user = await wallets.fill(100)
    answer = await wallets.pay(user, 101)
    assert answer.status_code == 409
    assert answer.json()["code"] == "insufficient-funds"
    assert answer.json()["error"]["code"] == "INSUFFICIENT_FUNDS"
    assert answer.json()["details"] == {"available_minor": 100}
    assert await wallets.captured(user) == []
    assert await wallets.history(user) == [("DEPOSIT", "COMPLETED", 100)]


async def test_a_declined_payment_is_given_back_and_the_history_says_so(wallets: WalletShop):
    user = await wallets.fill(1000)
    await wallets.mode("declined")
    answer = await wallets.pay(user, 400)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "DECLINED")
    assert (await wallets.balance(user))["available_minor"] == 1000
    assert await wallets.history(user) == [
        ("REFUND", "COMPLETED", 1000),
        ("PAYMENT", "DECLINED", 600),
        ("DEPOSIT", "COMPLETED", 1000),
    ]
    # One posting for the deposit, none for what was never taken.
    assert await wallets.eyes.fetchval(
        "SELECT version FROM wallets.wallet_balances WHERE user_id = $1", user
    ) == 1  # fmt: skip


async def test_a_gateway_that_fails_takes_nothing(wallets: WalletShop):
    user = await wallets.fill(1000)
    await wallets.mode("500")
    answer = await wallets.pay(user, 400)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "GATEWAY_ERROR")
    assert await wallets.captured(user) == []
    assert (await wallets.history(user))[0] == ("REFUND", "COMPLETED", 1000)


@pytest.mark.parametrize("mode", ["timeout", "latency"])
async def test_a_gateway_that_is_silent_leaves_the_money_held_until_it_is_known(
    hasty: WalletShop, mode: str
):
    user, key = await hasty.fill(1000), f"a-key-of-silence-{mode}"
    await hasty.mode(mode)
    answer = await hasty.pay(user, 400, key=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "GATEWAY_TIMEOUT")
    assert answer.json()["retryable"]
    await hasty.settled()
    shown = (await hasty.http.get(answer.headers["Location"])).json()
    assert (shown["status"], shown["reason"]) == ("GATEWAY_ERROR", "gateway-timeout")
    assert await hasty.captured(user) == []
    assert (await hasty.balance(user))["available_minor"] == 1000
    # From here on the key has the answer that became true.
    again = await hasty.pay(user, 400, key=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (502, "true")


async def test_at_random_every_payment_is_captured_or_given_back(hasty: WalletShop):
    user = await hasty.fill(10_000)
    await hasty.mode("random")
    answers = await asyncio.gather(*(hasty.pay(user, 100) for _ in range(8)))
    await hasty.mode("happy")
    await hasty.settled()
    assert {each.status_code for each in answers} <= {201, 402, 502, 503, 504}
    statuses = await hasty.eyes.fetch(
        "SELECT status FROM wallets.transactions WHERE user_id = $1 AND kind = 'PAYMENT'", user
    )
    approved = sum(row[0] == "APPROVED" for row in statuses)
    assert len(await hasty.captured(user)) == approved
    assert (await hasty.balance(user))["available_minor"] == 10_000 - 100 * approved


async def test_the_same_key_is_the_same_payment(wallets: WalletShop):
    user, key = await wallets.fill(1000), "the-key-of-one-payment"
    first = await wallets.pay(user, 400, key=key)
    again = await wallets.pay(user, 400, key=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await wallets.pay(user, 401, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert await wallets.captured(user) == [400]


async def test_a_refusal_is_remembered_as_well(wallets: WalletShop):
    user, key = await wallets.fill(100), "the-key-of-one-refusal"
    first = await wallets.pay(user, 400, key=key)
    await wallets.deposit(user, 1000)
    await wallets.sealed()
    again = await wallets.pay(user, 400, key=key)
    assert (again.status_code, again.content) == (409, first.content)


async def test_one_key_at_the_same_time_is_one_payment(wallets: WalletShop):
    user, key = await wallets.fill(1000), "the-key-of-ten-at-once"
    answers = await asyncio.gather(*(wallets.pay(user, 100, key=key) for _ in range(10)))
    assert {each.status_code for each in answers} <= {201, 409}
    assert await wallets.captured(user) == [100]


async def test_an_open_breaker_holds_nothing_and_answers_what_is_known(
    wallets: WalletShop, module_database: str
):
    user, key = await wallets.fill(1000), "the-key-before-the-breaker"
    async with run_wallet(module_database, str(wallets.acquirer.base_url)) as http:
        own = WalletShop(http, wallets.acquirer, wallets.eyes)
        await own.pay(user, 100, key=key)
        await own.mode("500")
        for _ in range(5):
            assert (await own.pay(user, 100)).status_code == 502
        refused = await own.pay(user, 100)
        assert (refused.status_code, refused.json()["code"]) == (503, "gateway-unavailable")
        assert refused.headers["X-Valerix-Executed"] == "no"
        assert (await own.pay(user, 100, key=key)).status_code == 201
        assert (await own.balance(user))["available_minor"] == 900


async def test_a_breaker_lets_one_payment_try_when_its_time_is_up():
    now = 0.0
    breaker = Breaker(CollectorRegistry(), lambda: now)
    for _ in range(5):
        assert breaker.admits()
        breaker.saw(answered=False)
    assert not breaker.admits()
    now = 5.0
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.saw(answered=True)
    assert [breaker.admits(), breaker.admits()] == [True, True]


async def test_a_payment_whose_process_died_before_it_asked_is_given_back(wallets: WalletShop):
    user = await wallets.fill(1000)
    transaction_id = await _held(wallets, user, 400)
    await wallets.settled()
    assert (await wallets.history(user))[:2] == [
        ("REFUND", "COMPLETED", 1000),
        ("PAYMENT", "GATEWAY_ERROR", 600),
    ]
    assert transaction_id


async def test_a_payment_whose_process_died_after_it_asked_is_found_out(wallets: WalletShop):
    user = await wallets.fill(1000)
    intent = await wallets.acquirer.post(
        "/v1/payment_intents",
        data={
            "amount": 400, "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
            "metadata[attempt]": "wal_00000000-0000-4000-8000-000000000001",
            "metadata[payment]": "00000000-0000-4000-8000-000000000001",
        },
        headers={"Authorization": "Bearer sk_test_wallets"},
    )  # fmt: skip
    assert intent.status_code == 200, intent.text
    await _held(
        wallets, user, 400, UUID("00000000-0000-4000-8000-000000000001"), intent.json()["id"]
    )
    await wallets.settled()
    assert (await wallets.history(user))[0] == ("PAYMENT", "APPROVED", 600)
    assert (await wallets.balance(user))["posted_minor"] == 600


async def _held(
    wallets: WalletShop, user: str, amount: int, its_id: UUID | None = None, ref: str | None = None
) -> UUID:
    """What T1 leaves, its lease over."""
    row = await wallets.eyes.fetchrow(
        "SELECT coalesce($1::uuid, gen_random_uuid()) AS id, account_id,"
        " wallets.account_of('provider', 'demo-provider', 'EUR') AS provider"
        " FROM wallets.wallet_balances WHERE user_id = $2",
        its_id, user,
    )  # fmt: skip
    async with wallets.eyes.transaction():
        await wallets.eyes.execute(
            "INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,"
            " amount_minor, status, provider_id, external_reference)"
            " VALUES ($1, $2, 'EUR', $3, 'PAYMENT', $4, 'PENDING', 'demo-provider', 'x')",
            row["id"], user, row["account_id"], amount,
        )  # fmt: skip
        await wallets.eyes.execute(
            "INSERT INTO wallets.attempts (transaction_id, gw_key, provider_ref)"
            " VALUES ($1, 'wal_' || $1::uuid, $2)",
            row["id"], ref,
        )  # fmt: skip
        await wallets.eyes.execute(
            "INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
            " credit_account, amount_minor, currency) VALUES ($1, 'hold', $1, $2, $3, $4, 'EUR')",
            row["id"], row["account_id"], row["provider"], amount,
        )  # fmt: skip
    found: UUID = row["id"]
    return found


async def test_opening_the_account_is_no_time_of_the_gateways(
    wallets: WalletShop, module_database: str
):
    user = await wallets.fill(1000)
    settings = wallet_settings(
        module_database, str(wallets.acquirer.base_url), wallet_gateway_timeout_s=0.2
    )

    def slowly() -> QuickAccount:
        time.sleep(0.4)
        return QuickAccount()

    app = create_app(settings, make_account=slowly)
    async with serve(app, settings) as url, knock(url, headers=wallets.http.headers) as http:
        own = WalletShop(http, wallets.acquirer, wallets.eyes)
        assert (await own.pay(user, 100)).status_code == 201


class QuickAccount:
    """Takes everything at once."""

    async def prepare(self, target: AttemptRef, *, capture: bool) -> str:
        """A name."""
        return f"pi_{target.gw_key}"

    async def authorise(self, target: AttemptRef, *, capture: bool) -> Captured:
        """Taken."""
        return Captured(target.amount_minor, target.currency)

    async def void(self, target: AttemptRef) -> Captured:
        """Taken."""
        return Captured(target.amount_minor, target.currency)

    async def close(self) -> None:
        """Has nothing open."""
