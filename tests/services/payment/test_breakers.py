"""Breakers: they stop new money alone, for the whole fleet, and one probe ends them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from chassis.settings import Settings
from gateways import Captured, Declined
from services.payment import cancelling
from services.payment.breakers.breakers import Breakers
from services.payment.cancelling import Cancel
from services.payment.outcomes import Silence
from tests.services.payment.account_shop import Shop, open_shop
from tests.services.payment.money_checks import unsettled

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def shop(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Shop]:
    async with open_shop(payment_settings(), connection) as shop:
        await shop.use("alfa", "bravo")
        yield shop


async def _trip(shop: Shop, breakers: Breakers | None = None) -> None:
    breakers = breakers or shop.replica.context.breakers
    for _ in range(5):
        breakers.saw("alfa", Silence("no answer in time"))
    await breakers.flush()


async def _its_time_has_come(shop: Shop) -> None:
    await shop.eyes.execute("UPDATE payments.breakers SET open_until = now()")
    await shop.replica.context.breakers.flush()


async def _history(shop: Shop) -> list[str]:
    rows = await shop.eyes.fetch("SELECT dst FROM payments.breaker_transitions ORDER BY id")
    return [row["dst"] for row in rows]


async def test_five_failures_in_a_row_open_it_and_payments_go_elsewhere(shop: Shop):
    await _trip(shop)
    answer = await shop.pay()
    assert answer.status_code == 200
    assert await shop.attempts() == [(1, "bravo", "SUCCEEDED")]
    row = await shop.eyes.fetchrow("SELECT state, reason FROM payments.breakers")
    assert tuple(row) == ("open", "no answer in time")


async def test_a_gremlin_and_a_mode_that_may_have_tripped_it_are_named(shop: Shop):
    await shop.eyes.execute(
        "INSERT INTO acquirer.gremlins"
        "   (name, kind, routes, probability, started_by, started_at, expires_at) VALUES"
        " ('slow', 'latency', '{*}', 1, 'test', now(), now() + interval '1 min'),"
        " ('gone', 'error', '{*}', 1, 'test', now() - interval '2 min', now());"
        "UPDATE acquirer.accounts SET mode = 'timeout' WHERE name = 'alfa'"
    )
    breakers = shop.replica.context.breakers
    for account in ("alfa", "mock"):
        for _ in range(5):
            breakers.saw(account, Silence("no answer in time"))
    await breakers.flush()
    rows = await shop.eyes.fetch(
        "SELECT account, reason FROM payments.breaker_transitions WHERE dst = 'open'"
    )
    assert {row["account"]: row["reason"] for row in rows} == {
        "alfa": "no answer in time; while there was the gremlin slow (latency) on the acquirer"
        " and the mode timeout of the account",
        "mock": "no answer in time",
    }


async def test_real_silence_opens_it_and_what_is_unknown_stays_where_it_is(shop: Shop):
    for n in range(5):
        shop.gateways["alfa"].script.append("lost_response")
        assert (await shop.pay(request_id=f"r{n}")).status_code == 202
    await shop.replica.context.breakers.flush()
    assert await _history(shop) == ["closed", "open"]
    await shop.replica.reconcile()
    # Finding out passes an open breaker, and nothing of it went elsewhere.
    assert {provider for _, provider, _ in await shop.attempts()} == {"alfa"}
    assert not await unsettled(shop.eyes)


async def test_a_decline_and_an_answer_in_between_are_no_failures(shop: Shop):
    breakers = shop.replica.context.breakers
    for result in [*[Silence("x")] * 4, Declined("card_declined"), *[Silence("x")] * 4]:
        breakers.saw("alfa", result)
        await breakers.flush()
    assert breakers.open_now() == frozenset()
    breakers.saw("alfa", Captured(1, "EUR"))
    breakers.saw("alfa", Silence("x"))
    await breakers.flush()
    assert await shop.eyes.fetchval("SELECT failures FROM payments.breakers") == 1


async def test_failures_of_several_processes_are_counted_together(shop: Shop):
    other = Breakers(shop.replica.context.database, CollectorRegistry())
    for breakers in (other, shop.replica.context.breakers, other):
        breakers.saw("alfa", Silence("x"))
        breakers.saw("alfa", Silence("x"))
        await breakers.flush()
    await other.flush()
    assert other.open_now() == {"alfa"}


async def test_one_payment_in_the_fleet_probes_and_its_answer_closes_it(shop: Shop):
    await _trip(shop)
    await _its_time_has_come(shop)
    breakers = shop.replica.context.breakers
    other = Breakers(shop.replica.context.database, CollectorRegistry())
    both = await asyncio.gather(breakers.admit(["alfa"]), other.admit(["alfa"]))
    assert sorted(len(found.accounts) for found in both) == [0, 1]
    await shop.eyes.execute("UPDATE payments.breakers SET probe_until = NULL")
    await breakers.flush()
    assert (await shop.pay()).status_code == 200
    await breakers.flush()
    assert await shop.attempts() == [(1, "alfa", "SUCCEEDED")]
    assert await _history(shop) == ["closed", "open", "half-open", "open", "half-open", "closed"]
    assert breakers.open_now() == frozenset()
    page = (await shop.replica.http.get("/metrics")).text
    assert "valerix_breaker_transitions_total 2.0" in page


async def test_a_probe_without_an_answer_keeps_it_open(shop: Shop):
    await _trip(shop)
    await _its_time_has_come(shop)
    shop.gateways["alfa"].script.append("lost_request")
    assert (await shop.pay()).status_code == 202
    await shop.replica.context.breakers.flush()
    assert shop.replica.context.breakers.open_now() == {"alfa"}
    assert await shop.eyes.fetchval("SELECT open_until > now() FROM payments.breakers")


async def test_money_that_is_held_is_captured_and_given_back_through_an_open_one(shop: Shop):
    payment_id = (await shop.pay()).json()["payment_id"]
    await _trip(shop)
    command = Cancel(UUID(payment_id), None, "REFUND", "hand")
    assert (await cancelling.cancel(shop.replica.context, command)).state == "REFUNDED"


async def test_when_no_account_is_left_nothing_is_done_and_it_may_be_asked_again(shop: Shop):
    await shop.use("alfa")
    await _trip(shop)
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["code"]) == (503, "accounts-unavailable")
    assert answer.headers["x-valerix-executed"] == "no"
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.requests") == 0


async def test_an_amount_that_needs_an_open_one_may_be_asked_again_until_it_is_taken(shop: Shop):
    await shop.split()
    await _trip(shop)
    await shop.terms("bravo", maximum_minor=5000)
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["code"]) == (503, "accounts-unavailable")
    assert answer.headers["retry-after"] == "5"
    await _its_time_has_come(shop)
    assert (await shop.pay()).status_code == 200


async def test_an_amount_that_no_account_takes_is_refused_for_good_beside_an_open_one(shop: Shop):
    await shop.terms("alfa", maximum_minor=4000)
    await shop.terms("bravo", maximum_minor=5000)
    await _trip(shop)
    assert (await shop.pay()).json()["details"]["error_code"] == "PlanInfeasible"
