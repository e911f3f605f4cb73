"""What is stored of real decisions is enough to make them again, by other programs than ours."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import cel
import msgspec
import pytest
import pytest_asyncio

from chassis.settings import Settings
from gateways import Declined
from proof import Limits
from proof.evaluate import evaluate
from proof.plan_certificate import AccountTerms, ClaimedLeg, PlanClaim, check_plan
from services.payment.breakers import breakers
from services.payment.process import opening
from tests.proof.reports import violated
from tests.services.payment.account_shop import Shop, open_shop
from tests.services.payment.money_checks import unsettled
from tests.services.payment.test_process import codes

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY = """# Of each kind of rule one.
if amount == 10001 then prefer charlie
if amount == 10002 then avoid alfa
if amount / (amount - 10003) > 1 && region == 'EU' then deny onError allowRetry = false
if fraudScore > 0.8 then skipFallback
"""
REQUESTS: list[dict[str, Any]] = [
    {},
    {"amount": 10_001},
    {"amount": 10_002},
    {"amount": 10_003, "metadata": {"region": "EU"}},
    {"metadata": {"fraudScore": 0.9}},
    {"metadata": {"region": "EU"}},
    {"amount": 8_000, "metadata": {"split": "equal"}},
    {"amount": 4_000},
]


@pytest_asyncio.fixture(loop_scope="module")
async def shop(
    own_settings: Callable[..., Settings],
    own_connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    """Payments of all kinds were decided here."""
    async with open_shop(own_settings(), own_connection) as shop:
        await shop.split()
        await shop.use("alfa", "bravo", "charlie", "mock")
        await shop.use_policy(POLICY)
        for n, request in enumerate(REQUESTS):
            answer = await shop.pay(request_id=f"r{n}", **request)
            assert answer.status_code == 200, answer.text
        yield shop


async def _plans(shop: Shop) -> list[dict[str, Any]]:
    rows = await shop.eyes.fetch("SELECT inputs, legs, certificate FROM payments.plans ORDER BY at")
    return [{name: json.loads(row[name] or "null") for name in row.keys()} for row in rows]  # noqa: SIM118 - a Record


async def test_the_proof_holds_over_them(shop: Shop):
    assert not await unsettled(shop.eyes)
    assert len(await _plans(shop)) == len(REQUESTS)
    assert violated(await evaluate(shop.eyes, Limits())) == []


async def test_a_solver_finds_no_cheaper_plan(shop: Shop):
    several = 0
    for plan in await _plans(shop):
        if plan["certificate"] is None or plan["inputs"]["policy"]["action"]["kind"] == "prefer":
            continue
        terms = [
            AccountTerms(
                most_minor=min(each["maximum_minor"], each["capacity_minor"]),
                **{name: each[name] for name in AccountTerms.__struct_fields__ if name in each},
            )
            for each in plan["inputs"]["terms"]
            if each["account"] in plan["inputs"]["usable"]
        ]
        claim = PlanClaim(
            amount_minor=plan["inputs"]["amount"],
            terms=tuple(terms),
            legs=tuple(
                ClaimedLeg(**{name: leg[name] for name in ClaimedLeg.__struct_fields__})
                for leg in plan["legs"]
            ),
            cost_minor=plan["certificate"]["cost_minor"],
            lower_bound_minor=plan["certificate"]["lower_bound_minor"],
        )
        assert check_plan(claim).outcome == "proven", claim
        dearer = msgspec.structs.replace(
            claim, cost_minor=claim.cost_minor + 1, lower_bound_minor=claim.cost_minor + 1
        )
        assert check_plan(dearer).outcome == "broken"
        several += len(claim.legs) > 1
    assert several


async def test_another_library_decides_the_same_from_what_is_stored(shop: Shop):
    seen = set()
    for plan in await _plans(shop):
        stored, values = plan["inputs"]["policy"], plan["inputs"]["policy_inputs"]
        for rule in stored["trace"]:
            if rule["outcome"] == "not reached":
                continue
            try:
                again = "matched" if cel.evaluate(rule["when"], values) is True else "not matched"
            except (ArithmeticError, RuntimeError, TypeError, ValueError):
                again = "failed"
            assert again == rule["outcome"], rule
            seen.add(again)
    assert seen == {"matched", "not matched", "failed"}


async def test_the_proof_holds_over_breakers_that_open_and_are_probed_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(breakers, "_OPEN_S", 0.1)
    mine = shop.replica.context.breakers

    async def one(n: int) -> None:
        shop.gateways["alfa"].script.append("error_before" if n < 8 or n % 3 else "")
        await shop.pay(request_id=f"b{n}", amount=4_000)
        await mine.flush()

    for batch in range(8):
        await asyncio.gather(*(one(batch * 4 + n) for n in range(4)))
    moves = await shop.eyes.fetch("SELECT dst FROM payments.breaker_transitions")
    assert {row["dst"] for row in moves} >= {"open", "half-open"}
    shop.gateways["alfa"].script.clear()
    await shop.replica.reconcile()
    assert violated(await evaluate(shop.eyes, Limits())) == []


async def test_a_plan_on_its_way_is_made_again_when_a_breaker_opens(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    """What a process knew of the breaker is old by the time the plan commits."""
    await shop.eyes.execute(
        "INSERT INTO payments.breakers (account) VALUES ('alfa');"
        "UPDATE payments.breakers SET state = 'open', open_until = now() + interval '1 hour'"
    )
    monkeypatch.setattr(shop.replica.context.breakers, "open_now", frozenset)
    assert (await shop.pay(request_id="late", amount=4_000)).status_code == 200
    last = await shop.eyes.fetchval(
        "SELECT provider FROM payments.attempts ORDER BY created_at DESC LIMIT 1"
    )
    assert last == "bravo"


async def test_a_plan_that_is_overtaken_each_time_may_be_asked_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.eyes.execute(
        "INSERT INTO payments.breakers (account) VALUES ('alfa');"
        "UPDATE payments.breakers SET state = 'open', open_until = now() + interval '1 hour'"
    )
    monkeypatch.setattr(shop.replica.context.breakers, "open_now", frozenset)
    monkeypatch.setattr(opening, "_MOST_PLANS", 1)
    answer = await shop.pay(request_id="late", amount=4_000)
    assert (answer.status_code, answer.json()["code"]) == (503, "accounts-unavailable")
    monkeypatch.undo()
    assert (await shop.pay(request_id="late", amount=4_000)).status_code == 200


async def test_a_fallback_is_not_begun_through_a_breaker_that_has_just_opened(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    inner = shop.gateways["alfa"]._inner  # noqa: SLF001 - the verdict of one account
    monkeypatch.setattr(inner, "verdict", lambda *money: Declined("card_declined"))
    await shop.use("alfa", "bravo")
    await shop.eyes.execute(
        "INSERT INTO payments.breakers (account) VALUES ('bravo');"
        "UPDATE payments.breakers SET state = 'open', open_until = now() + interval '1 hour'"
    )
    monkeypatch.setattr(shop.replica.context.breakers, "open_now", frozenset)
    answer = await shop.pay(request_id="late", amount=4_000)
    assert (answer.status_code, codes(answer)) == (402, ["BreakerOpen"])
    assert (
        await shop.eyes.fetchval(
            "SELECT count(*) FROM payments.attempts WHERE provider = 'bravo' AND created_at >"
            " (SELECT max(at) FROM payments.breaker_transitions)"
        )
        == 0
    )
