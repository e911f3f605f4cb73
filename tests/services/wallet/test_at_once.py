"""Many at once on one wallet: never more than it has, never a deadlock, nothing lost."""

import asyncio
from collections import Counter
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from services.wallet.contract import INSUFFICIENT_FUNDS
from services.wallet.domain import (
    ATTEMPT_TRANSITIONS,
    CREDIT_TRANSITIONS,
    HOLD_TRANSITIONS,
    PAYMENT_TRANSITIONS,
    PURCHASE_TRANSITIONS,
)
from tests.services.wallet.wallet_shop import WalletShop, run_wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What is true of every wallet, after any schedule.
_WRONG = (
    "SELECT w.user_id FROM wallets.wallet_balances w WHERE w.available_minor < 0"
    " OR w.posted_minor <> (SELECT coalesce(sum(e.amount_minor), 0) FROM wallets.entries e"
    "                       WHERE e.account_id = w.account_id AND e.version IS NOT NULL)"
    " OR w.version <> (SELECT count(*) FROM wallets.entries e"
    "                  WHERE e.account_id = w.account_id AND e.version IS NOT NULL)"
)


@pytest.mark.parametrize("clients", [20, pytest.param(100, marks=pytest.mark.long)])
async def test_a_wallet_with_money_for_half_of_them_pays_exactly_half(
    wallets: WalletShop, clients: int
):
    user = await wallets.fill(10 * clients // 2)
    ended = Counter(await asyncio.gather(*(_paid_or_not(wallets, user) for _ in range(clients))))
    assert ended == {True: clients // 2, False: clients // 2}
    assert len(await wallets.captured(user)) == clients // 2
    assert (await wallets.balance(user))["available_minor"] == 0


async def _paid_or_not(wallets: WalletShop, user: str) -> bool:
    """As a customer does who is not told, or from whom the busy gateway took nothing."""
    key = uuid4().hex
    while (answer := await wallets.pay(user, 10, key=key)).status_code != 201:
        if answer.json()["code"] == INSUFFICIENT_FUNDS:
            return False
        if answer.status_code == 502:
            key = uuid4().hex
        await asyncio.sleep(0.2)
    return True


async def test_transfers_in_both_directions_at_once_all_end_well(wallets: WalletShop):
    one, two = await wallets.fill(1000), await wallets.fill(1000)
    answers = await asyncio.gather(
        *(
            wallets.transfer(*pair, 1)
            for _ in range(10)
            for pair in ((one, two), (two, one))
        )
    )  # fmt: skip
    assert {each.status_code for each in answers} == {201}
    await wallets.sealed()
    assert (await wallets.balance(one))["posted_minor"] == 1000
    assert (await wallets.balance(two))["posted_minor"] == 1000


async def test_a_wallet_that_stays_locked_is_refused_and_nothing_was_done(
    wallets: WalletShop, module_database: str
):
    user = await wallets.fill(100)
    async with (
        run_wallet(module_database, str(wallets.acquirer.base_url), lock_timeout_s=0.05) as http,
        wallets.eyes.transaction(),
    ):
        await wallets.eyes.execute(
            "SELECT FROM wallets.wallet_balances WHERE user_id = $1 FOR UPDATE", user
        )
        answer = await WalletShop(http, wallets.acquirer, wallets.eyes).pay(user, 10)
        assert (answer.status_code, answer.json()["code"]) == (503, "wallet-busy")
        assert answer.headers["X-Valerix-Executed"] == "no"


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=some.lists(
        some.tuples(
            some.sampled_from(["pay", "deposit", "there", "back"]), some.integers(1, 60)
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
async def test_after_any_schedule_the_balance_is_the_sum_of_its_entries(
    wallets: WalletShop, steps: list[tuple[str, int]]
):
    one, two = await wallets.fill(100), await wallets.fill(100)
    moves = {
        "pay": lambda amount: wallets.pay(one, amount),
        "deposit": lambda amount: wallets.deposit(one, amount),
        "there": lambda amount: wallets.transfer(one, two, amount),
        "back": lambda amount: wallets.transfer(two, one, amount),
    }
    answers = await asyncio.gather(*(moves[step](amount) for step, amount in steps))
    assert {each.status_code for each in answers} <= {201, 409}
    await wallets.sealed()
    assert await wallets.eyes.fetch(_WRONG) == []


# ---- the database's own guards -------------------------------------------------------------------


async def test_the_state_machines_are_those_of_the_database(wallets: WalletShop):
    rows = await wallets.eyes.fetch("SELECT machine, src, dst FROM wallets.transitions")
    ours = {
        *(("payment", *pair) for pair in PAYMENT_TRANSITIONS),
        *(("purchase", *pair) for pair in PURCHASE_TRANSITIONS),
        *(("hold", *pair) for pair in HOLD_TRANSITIONS),
        *(("credit", *pair) for pair in CREDIT_TRANSITIONS),
        *(("attempt", *pair) for pair in ATTEMPT_TRANSITIONS),
    }
    assert {tuple(row) for row in rows} == ours


# Each on the history of a wallet with a deposit and a payment.
FORBIDDEN = {
    "an overdraft": "UPDATE wallets.wallet_balances SET held_minor = posted_minor + 1",
    "a balance without an entry": "UPDATE wallets.wallet_balances SET posted_minor = 1",
    "an entry changed": "UPDATE wallets.entries SET amount_minor = 1 WHERE amount_minor > 0",
    "an entry deleted": "DELETE FROM wallets.entries",
    "a transfer changed": "UPDATE wallets.transfers SET amount_minor = 1",
    "a hold resolved twice": (
        "INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
        " credit_account, amount_minor, currency, pending_id) SELECT gen_random_uuid(), 'void',"
        " transaction_id, debit_account, credit_account, amount_minor, currency, pending_id"
        " FROM wallets.transfers WHERE kind = 'post'"
    ),
    "a post of another amount": (
        "INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
        " credit_account, amount_minor, currency, pending_id) SELECT gen_random_uuid(), 'post',"
        " transaction_id, debit_account, credit_account, 1, currency, transfer_id"
        " FROM wallets.transfers WHERE kind = 'hold'"
    ),
    "a deposit from a wallet": (
        "INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account,"
        " credit_account, amount_minor, currency) SELECT gen_random_uuid(), 'deposit',"
        " transaction_id, credit_account, debit_account, 1, currency FROM wallets.transfers"
        " WHERE kind = 'deposit' LIMIT 1"
    ),
    "one line alone": (
        "INSERT INTO wallets.entries (transfer_id, account_id, amount_minor, currency, chained)"
        " SELECT h.transfer_id, h.credit_account, 5, h.currency, false FROM wallets.transfers h"
        " WHERE h.kind = 'hold' LIMIT 1; SET CONSTRAINTS ALL IMMEDIATE"
    ),
    "an end that changes": (
        "UPDATE wallets.transactions SET status = 'DECLINED', reason = 'x'"
        " WHERE status = 'APPROVED'"
    ),
    "a history deleted": "DELETE FROM wallets.transactions",
    "another name of an attempt": "UPDATE wallets.attempts SET provider_ref = 'pi_other'",
    "an event changed": "UPDATE wallets.outbox SET payload = '{}'",
    "an event deleted": "DELETE FROM wallets.outbox",
    "a key forgotten": "DELETE FROM wallets.idempotency",
    "all of it emptied": "TRUNCATE wallets.outbox",
}


async def test_the_database_refuses_what_no_service_may_do(wallets: WalletShop):
    user = await wallets.fill(1000)
    await wallets.pay(user, 100)
    done = []
    for what, sql in FORBIDDEN.items():
        try:
            async with wallets.eyes.transaction():
                await wallets.eyes.execute(sql)
            done.append(what)
        except asyncpg.IntegrityConstraintViolationError:
            pass
    assert done == []
