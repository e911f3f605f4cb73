"""Requests that come at once: money is taken once, and never more given back than was taken."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.providers.acquirer.promises import broken_promises

FLEET_KEYS = ("acquirer",)
AT_ONCE = 8
PAID = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa"}


def outcomes(*asks):
    """What became of each, all sent at once: the answer, or the code of the refusal."""

    def outcome(ask):
        try:
            return ask()
        except stripe.InvalidRequestError as refused:
            return refused.code

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(outcome, asks))


@pytest.fixture
def api(client):
    """A client that comes again where there was no room for it."""
    return client(max_network_retries=10).v1


@pytest.fixture
async def money(tables):
    """`await money(intent)`: captured, refunded and lines of the balance, of one intent."""

    async def ask(intent):
        row = await tables.fetchrow(
            "SELECT count(*) FILTER (WHERE status = 'succeeded') AS charges,"
            " sum(captured_minor)::int AS captured, sum(refunded_minor)::int AS refunded,"
            " (SELECT sum(amount_minor)::int FROM acquirer.balance_transactions WHERE intent = $1)"
            "   AS net FROM acquirer.charges WHERE intent = $1",
            intent.id,
        )
        return tuple(row)

    return ask


async def test_confirms_at_once_take_money_once(api, money):
    intent = api.payment_intents.create(PAID)
    found = outcomes(*[lambda: api.payment_intents.confirm(intent.id)] * AT_ONCE)
    assert found.count("payment_intent_unexpected_state") == AT_ONCE - 1
    assert await money(intent) == (1, 1000, 0, 1000)


async def test_refunds_at_once_give_back_no_more_than_was_captured(api, money):
    paid = api.payment_intents.create({**PAID, "confirm": True})
    refund = {"payment_intent": paid.id, "amount": 300}
    found = outcomes(*[lambda: api.refunds.create(refund)] * AT_ONCE)
    assert found.count("amount_too_large") == AT_ONCE - 3
    assert await money(paid) == (1, 1000, 900, 100)


async def test_a_capture_and_a_cancel_at_once_leave_one_of_the_two(api, money):
    for _ in range(4):
        held = api.payment_intents.create({**PAID, "confirm": True, "capture_method": "manual"})
        found = outcomes(
            *[lambda held=held: api.payment_intents.capture(held.id)] * 2,
            *[lambda held=held: api.payment_intents.cancel(held.id)] * 2,
        )
        assert found.count("payment_intent_unexpected_state") == 3
        status = api.payment_intents.retrieve(held.id).status
        captured = {"succeeded": (1, 1000, 0, 1000), "canceled": (1, 0, 0, None)}
        assert await money(held) == captured[status]


async def test_the_records_agree_after_a_storm_on_a_few_intents(api, tables):
    """Every kind of request at every state, all at once."""
    held = {**PAID, "confirm": True, "capture_method": "manual"}
    ids = [api.payment_intents.create(each).id for each in (PAID, held, {**PAID, "confirm": True})]
    asks = [
        ask
        for intent_id in ids
        for ask in (
            lambda i=intent_id: api.payment_intents.confirm(i),
            lambda i=intent_id: api.payment_intents.capture(i, {"amount_to_capture": 600}),
            lambda i=intent_id: api.payment_intents.cancel(i),
            lambda i=intent_id: api.refunds.create({"payment_intent": i, "amount": 350}),
        )
    ]
    outcomes(*asks * 3)
    assert await broken_promises(tables) == {}


async def test_the_same_payment_sent_many_times_at_once_under_one_key_is_one(api, tables):
    """The official client waits out the conflict by itself."""
    key = {"idempotency_key": "one-payment-sent-many-times"}
    create = [lambda: api.payment_intents.create({**PAID, "confirm": True}, key)] * AT_ONCE
    assert len({each.id for each in outcomes(*create)}) == 1
    assert await tables.fetchval(
        "SELECT count(*) FROM acquirer.events WHERE idempotency_key = $1"
        " AND type = 'charge.succeeded'",
        key["idempotency_key"],
    ) == 1  # fmt: skip
