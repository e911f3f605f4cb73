"""A plan that comes to nothing before anything is captured is replaced, once."""

import json
from collections.abc import AsyncIterator, Callable
from unittest.mock import patch

import asyncpg
import pytest
import pytest_asyncio

from chassis.settings import Settings
from gateways import Captured
from proof.invariants import decisions, money, payments
from services.payment import cancelling, settlement
from services.payment.cancelling import Cancel
from services.payment.domain import AttemptId
from tests.services.payment.account_shop import Shop, codes, decline, open_shop
from tests.services.payment.money_checks import unsettled

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What the proof can say of accounts that the mock plays; the others need a real acquirer.
_PROMISES = ("I3", "I17", "I22", "I23", "I28", "P2", "P3", "P7", "P9")


@pytest_asyncio.fixture(loop_scope="module")
async def shop(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """60.00 of 100.00 go to alfa and the rest to bravo; charlie takes no part that small, so it is
    no leg's other account, and yet can be part of another plan."""
    async with open_shop(payment_settings(), connection) as shop:
        await shop.use("alfa", "bravo", "charlie")
        await shop.terms("alfa", daily_capacity_minor=6000, fee_fixed_minor=0)
        await shop.terms("bravo", fee_fixed_minor=0)
        await shop.terms("charlie", minimum_minor=4500)
        yield shop


async def _plans(shop: Shop) -> list[list[str]]:
    rows = await shop.eyes.fetch("SELECT legs FROM payments.plans ORDER BY plan_n")
    return [[leg["account"] for leg in json.loads(row["legs"])] for row in rows]


async def _broken(shop: Shop) -> set[str]:
    known = (*money.INVARIANTS, *payments.INVARIANTS, *decisions.INVARIANTS)
    judged = [each for each in known if each.id in _PROMISES]
    return {each.id for each in judged if await shop.eyes.fetch(each.sql)}


async def test_a_declined_leg_leads_to_another_plan_without_its_account(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "bravo", "insufficient_funds")
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["plan_id"][-2:]) == (200, ":2"), answer.text
    assert await shop.attempts() == [
        (1, "alfa", "VOIDED"),
        (2, "bravo", "FAILED"),
        (3, "alfa", "SUCCEEDED"),  # what the first plan held there is free again
        (4, "charlie", "SUCCEEDED"),
    ]
    rows = await shop.eyes.fetch("SELECT plan_n, kind FROM payments.decisions ORDER BY n")
    assert [tuple(row) for row in rows] == [
        (1, "route"), (1, "route"), (1, "void"), (1, "replace"),
        (2, "route"), (2, "route"), (2, "capture"),
    ]  # fmt: skip
    assert not await unsettled(shop.eyes)
    assert await _broken(shop) == set()
    assert (await shop.pay()).content == answer.content


async def test_one_account_that_declines_the_whole_is_replaced_by_several(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.terms("alfa", maximum_minor=6000, fee_basis_points=400)
    await shop.terms("charlie", maximum_minor=6000, fee_basis_points=500)
    await decline(shop, monkeypatch, "bravo", "insufficient_funds")
    assert (await shop.pay()).status_code == 200
    assert await _plans(shop) == [["bravo"], ["alfa", "charlie"]]
    assert await _broken(shop) == set()


async def test_a_plan_is_replaced_once(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    await shop.terms("charlie", minimum_minor=4500, maximum_minor=5000)
    await shop.use("alfa", "bravo", "charlie", "mock")
    await shop.terms("mock", minimum_minor=5000, fee_basis_points=900)
    for account in ("bravo", "charlie"):
        await decline(shop, monkeypatch, account, "insufficient_funds")
    answer = await shop.pay()
    # The mock alone could take the whole, in a third plan.
    assert (answer.status_code, answer.json()["plan_id"][-2:]) == (402, ":2"), answer.text
    assert len(await _plans(shop)) == 2
    assert not await unsettled(shop.eyes)
    assert await _broken(shop) == set()


async def test_an_unknown_leg_blocks_the_next_plan_until_it_is_known(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "bravo", "insufficient_funds")
    shop.gateways["alfa"].script.append("lost_response")
    answer = await shop.pay()
    assert answer.status_code == 202
    assert await shop.attempts() == [(1, "alfa", "UNKNOWN"), (2, "bravo", "FAILED")]
    await shop.replica.reconcile()
    # Alfa never said that it held its part, so it has none in the next plan.
    assert await _plans(shop) == [["alfa", "bravo"], ["charlie"]]
    assert (await shop.attempts())[2:] == [(3, "charlie", "SUCCEEDED")]
    assert await _broken(shop) == set()


@pytest.mark.parametrize(
    ("metadata", "rule", "code"),
    [
        ({"fraudScore": 0.9}, "", "insufficient_funds"),
        ({}, "if true then allowRetry = false\n", "insufficient_funds"),
        ({}, "if true then skipFallback\n", "insufficient_funds"),
        ({}, "", "lost_card"),
    ],
    ids=["a suspicious payment", "allowRetry = false", "skipFallback", "a card that is lost"],
)
async def test_where_no_other_account_may_be_asked_there_is_no_other_plan(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, float], rule: str, code: str
):
    if rule:
        await shop.use_policy(rule)
    await decline(shop, monkeypatch, "bravo", code)
    answer = await shop.pay(metadata=metadata)
    assert (answer.status_code, len(await _plans(shop))) == (402, 1)
    assert codes(answer)[0] == "OtherLegFailed"


async def test_without_time_for_its_accounts_there_is_no_other_plan(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "bravo", "insufficient_funds")
    usual = shop.replica.context.usual

    def slow_once_planned(account: str) -> float:
        return 5.0 if account == "charlie" and usual._calls else 0.1  # noqa: SLF001

    monkeypatch.setattr(usual, "p99_s", slow_once_planned)
    assert (await shop.pay()).status_code == 402
    assert len(await _plans(shop)) == 1


async def test_a_cancelled_payment_gets_no_other_plan(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    await decline(shop, monkeypatch, "bravo", "insufficient_funds")
    shop.gateways["alfa"].script.append("lost_response")
    payment_id = (await shop.pay()).json()["payment_id"]
    command = Cancel(payment_id, None, "USER_CANCELLED", "hand")
    assert (await cancelling.cancel(shop.replica.context, command)).state == "CANCELLED"
    assert len(await _plans(shop)) == 1


async def test_money_that_comes_under_a_replaced_plan_is_for_a_human(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "bravo", "insufficient_funds")
    answer = await shop.pay()
    payment = await settlement.settle(
        shop.replica.context.database,
        shop.replica.context.metrics,
        AttemptId(answer.json()["payment_id"], 1, 1),
        Captured(6000, "EUR"),
        grace_s=1.0,
    )
    assert (payment.state, payment.needs_review) == ("SUCCEEDED", True)
    assert (await shop.attempts())[0] == (1, "alfa", "VOIDED")


_SECOND = (
    "INSERT INTO payments.decisions (payment_id, n, kind, reason, inputs)"
    " SELECT payment_id, 9, 'replace', '', '{}' FROM payments.payments;"
    "INSERT INTO payments.legs (payment_id, leg_n, plan_n, amount_minor, currency, provider)"
    " SELECT payment_id, 9, 2, amount_minor, currency, 'bravo' FROM payments.payments"
)


@pytest.mark.parametrize(
    ("fault", "sql"),
    [
        ("lost_response", _SECOND),
        ("", _SECOND),
        ("declined", _SECOND.partition(";")[2]),
        ("declined", _SECOND.replace("9, 2,", "9, 3,")),
        (
            "declined",
            _SECOND + ";INSERT INTO payments.attempts (payment_id, leg_n, n, provider, gw_key,"
            " amount_minor, currency, state) SELECT payment_id, leg_n, 2, 'bravo', 'k',"
            " amount_minor, currency, 'IN_FLIGHT' FROM payments.legs WHERE plan_n = 1",
        ),
    ],
    ids=["an unknown leg", "a captured leg", "no decision", "a third plan", "a leg replaced"],
)  # fmt: skip
async def test_the_database_refuses_a_second_plan_beside_the_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: str, sql: str
):
    await shop.use("alfa")
    shop.gateways["alfa"].script.append(fault if fault != "declined" else "")
    if fault == "declined":
        await decline(shop, monkeypatch, "alfa", "insufficient_funds")
    await shop.pay(amount=6000)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await shop.eyes.execute(sql)


@pytest.mark.parametrize("guarded", [True, False])
async def test_without_the_guard_a_second_plan_takes_what_the_first_has_taken(
    shop: Shop, guarded: bool
):
    """The ablation: a plan is replaced while its leg is unknown."""
    shop.gateways["bravo"].script.append("lost_response")
    await shop.use("alfa", "bravo", "charlie")
    await shop.terms("alfa", fee_basis_points=900)
    if guarded:
        assert (await shop.pay()).status_code == 202
        await shop.replica.reconcile()
        assert await _broken(shop) == set()
        return
    await shop.eyes.execute("ALTER TABLE payments.legs DISABLE TRIGGER guard_plan")
    with patch.object(settlement, "_can_be_replaced", lambda *about: True):
        await shop.pay()
    await shop.replica.reconcile()
    assert {"I3", "P2", "P3"} <= await _broken(shop)
