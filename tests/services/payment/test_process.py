"""POST /process-payment: planned, asked of its policy, routed over accounts, answered once."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from chassis.settings import Settings
from gateways import AttemptRef, Taken
from services.payment.policy import DEMO_POLICY, Policy, read_policy
from tests.chassis.pgwire import wire_to
from tests.harness.problems import assert_problem
from tests.services.payment.account_shop import ACCOUNTS, Shop, codes, decline, open_shop
from tests.services.payment.money_checks import unsettled
from tests.services.payment.payment_service import Replica

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_whole_amount_goes_to_the_cheapest_account(shop: Shop):
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["plan_id"][-2:]) == (200, ":1")
    assert await shop.attempts() == [(1, "alfa", "SUCCEEDED")]
    assert answer.headers["location"] == f"/payments/{answer.json()['payment_id']}"
    assert not await unsettled(shop.eyes)


async def test_an_amount_above_the_maximum_of_one_is_split_over_two(shop: Shop):
    await shop.split()
    answer = await shop.pay()
    assert answer.status_code == 200
    assert [step["details"]["amount"] for step in answer.json()["steps"]] == [5000, 5000]
    assert all(step["details"]["is_fan_out"] for step in answer.json()["steps"])
    assert await shop.attempts() == [(1, "alfa", "SUCCEEDED"), (2, "bravo", "SUCCEEDED")]
    plan = await shop.eyes.fetchrow("SELECT legs, certificate, policy_version FROM payments.plans")
    assert json.loads(plan["certificate"])["cost_minor"] == 75 + 100
    assert not await unsettled(shop.eyes)


async def test_an_equal_split_is_what_was_asked_for(shop: Shop):
    await shop.use("alfa", "bravo")
    answer = await shop.pay(metadata={"split": "equal"})
    assert [step["details"]["amount"] for step in answer.json()["steps"]] == [5000, 5000]


async def test_an_amount_that_no_account_takes_is_a_422_and_stays_one(shop: Shop):
    await shop.use("alfa")
    await shop.terms("alfa", maximum_minor=5000)
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["details"]["error_code"]) == (422, "PlanInfeasible")
    assert answer.json()["details"]["nearest_minor"]["below"] == 5000
    await shop.use("bravo")
    assert (await shop.pay()).content == answer.content
    assert await shop.attempts() == []


async def test_the_same_request_is_answered_with_the_same_bytes_and_taken_once(shop: Shop):
    first = await shop.pay()
    second = await shop.pay()
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    other = await shop.pay(amount=10_001)
    assert (other.status_code, other.json()["code"]) == (422, "request-id-reused")
    assert len(await shop.attempts()) == 1


async def test_the_same_request_twice_at_once_is_one_payment(shop: Shop):
    answers = await asyncio.gather(*(shop.pay() for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["payment_id"] for answer in answers}) == 1
    assert len(await shop.attempts()) == 1


async def test_a_decline_that_allows_it_goes_on_to_the_next_account(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "alfa", "insufficient_funds")
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert await shop.attempts() == [(1, "alfa", "FAILED"), (1, "bravo", "SUCCEEDED")]
    assert not await unsettled(shop.eyes)


async def test_a_card_that_is_lost_is_asked_about_nowhere_else(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "alfa", "lost_card")
    answer = await shop.pay()
    assert (answer.status_code, codes(answer)) == (402, ["Declined"])
    assert await shop.attempts() == [(1, "alfa", "FAILED")]


async def test_when_all_accounts_decline_the_answer_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.use(*ACCOUNTS)
    for account in ACCOUNTS:
        await decline(shop, monkeypatch, account, "card_declined")
    answer = await shop.pay()
    assert (answer.status_code, codes(answer)) == (402, ["AllProvidersFailed"])
    assert [state for _, _, state in await shop.attempts()] == ["FAILED"] * 3


@pytest.mark.parametrize("fault", ["lost_request", "lost_response", "error_before", "garbage"])
async def test_after_silence_no_other_account_is_asked(shop: Shop, fault: str):
    shop.gateways["alfa"].script.append(fault)
    answer = await shop.pay()
    assert (answer.status_code, codes(answer)) == (202, ["OutcomeUnknown"])
    assert answer.headers["location"] == f"/payments/{answer.json()['payment_id']}"
    assert await shop.attempts() == [(1, "alfa", "UNKNOWN")]
    assert shop.gateways["bravo"].calls == 0
    await shop.replica.reconcile()
    final = await shop.pay()
    assert (final.status_code, final.json()["success"]) == (200, True)
    assert await shop.attempts() == [(1, "alfa", "SUCCEEDED")]


@pytest.mark.parametrize(
    ("fault", "detail"), [("lost_response", "given back"), ("lost_request", "Nothing was taken")]
)
async def test_an_answer_names_what_a_cancel_left(shop: Shop, fault: str, detail: str):
    shop.gateways["alfa"].script.append(fault)
    payment_id = (await shop.pay()).json()["payment_id"]
    cancelled = {"order_id": payment_id, "reason": "CANCELLED"}
    await shop.replica.http.post(f"/payments/{payment_id}/cancel", json=cancelled)
    await shop.replica.reconcile()
    answer = await shop.pay()
    assert (answer.status_code, codes(answer)) == (402, ["Cancelled"])
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize("trouble", ["gone", "locked"])
async def test_once_it_is_committed_a_database_in_trouble_is_no_proof_that_nothing_was_taken(
    own_settings: Callable[..., Settings], own_connection: asyncpg.Connection,
    database_url: str, monkeypatch: pytest.MonkeyPatch, trouble: str,
):  # fmt: skip
    async with wire_to(database_url) as wire:
        settings = own_settings(database_url=wire.url, lock_timeout_s=0.2, pool_wait_s=1.0)
        async with open_shop(settings, own_connection) as shop:
            await shop.use("alfa")
            lock = own_connection.transaction()
            authorise = shop.gateways["alfa"].authorise

            async def take_then_fail(target: AttemptRef, *, capture: bool) -> Taken:
                taken = await authorise(target, capture=capture)
                if trouble == "gone":
                    await wire.take_away()
                else:
                    await lock.start()
                    await own_connection.execute("SELECT FROM payments.payments FOR UPDATE")
                return taken

            monkeypatch.setattr(shop.gateways["alfa"], "authorise", take_then_fail)
            answer = await shop.pay()
            assert answer.status_code == 202, answer.text
            assert "x-valerix-executed" not in answer.headers
            assert answer.headers["location"] == f"/payments/{answer.json()['payment_id']}"
            await (wire.mend() if trouble == "gone" else lock.rollback())
            await shop.replica.reconcile()
            again = await shop.pay()
    assert (again.status_code, again.json()["payment_id"]) == (200, answer.json()["payment_id"])
    assert not await unsettled(own_connection)


async def test_a_request_that_was_never_sent_goes_to_the_next_account(shop: Shop):
    shop.gateways["alfa"].fail("not_sent")
    answer = await shop.pay()
    assert answer.status_code == 200
    assert await shop.attempts() == [(1, "alfa", "FAILED"), (1, "bravo", "SUCCEEDED")]


async def test_a_request_that_was_not_sent_is_sent_again_and_each_time_is_counted(own_shop: Shop):
    own_shop.gateways["alfa"].script.extend(["not_sent", "not_sent"])
    assert (await own_shop.pay()).status_code == 200
    assert await own_shop.attempts() == [(1, "alfa", "SUCCEEDED")]
    page = (await own_shop.replica.http.get("/metrics")).text
    assert 'valerix_provider_retries_total{operation="charge",provider="alfa"} 2.0' in page


async def test_a_policy_without_retries_asks_once_and_nowhere_else_and_still_finds_out(shop: Shop):
    await shop.use_policy("if true then allowRetry = false\n")
    shop.gateways["alfa"].script.extend(["not_sent", "not_sent", "not_sent"])
    assert (await shop.pay()).status_code == 202
    assert shop.gateways["alfa"].calls == 1
    assert await shop.attempts() == [(1, "alfa", "UNKNOWN")]
    await shop.replica.reconcile()
    assert await shop.attempts() == [(1, "alfa", "SUCCEEDED")]


async def test_an_account_that_usually_takes_longer_than_is_left_is_not_begun(shop: Shop):
    for _ in range(50):
        shop.replica.context.usual.saw("alfa", 5.0)
    assert (await shop.pay()).status_code == 200
    assert await shop.attempts() == [(1, "bravo", "SUCCEEDED")]


async def test_a_fallback_that_would_outlast_the_time_is_not_begun(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.use("alfa", "bravo")
    await decline(shop, monkeypatch, "alfa", "insufficient_funds")
    usual = shop.replica.context.usual

    def slow_once_planned(account: str, known: int = len(usual._calls)) -> float:  # noqa: SLF001
        return 5.0 if account == "bravo" and len(usual._calls) > known else 0.1  # noqa: SLF001

    monkeypatch.setattr(usual, "p99_s", slow_once_planned)
    answer = await shop.pay()
    assert (answer.status_code, codes(answer)) == (402, ["TimeoutBudgetExceeded"])
    assert shop.gateways["bravo"].calls == 0


async def test_without_an_account_that_is_fast_enough_nothing_is_done(shop: Shop):
    await shop.use("alfa")
    for _ in range(50):
        shop.replica.context.usual.saw("alfa", 5.0)
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["code"]) == (503, "accounts-unavailable")
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.requests") == 0


async def test_an_amount_that_needs_a_slow_account_may_be_asked_again(shop: Shop):
    await shop.split()
    await shop.terms("bravo", maximum_minor=5000)
    for _ in range(50):
        shop.replica.context.usual.saw("bravo", 5.0)
    answer = await shop.pay()
    assert (answer.status_code, answer.json()["code"]) == (503, "accounts-unavailable")
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.requests") == 0


async def test_not_sent_is_no_answer_once_somebody_else_has_begun_to_ask(shop: Shop):
    shop.gateways["alfa"].script.append("lost_request")
    await shop.pay()
    await shop.eyes.execute("UPDATE payments.attempts SET asks = 2")
    shop.gateways["alfa"].script.append("")
    shop.gateways["alfa"].fail("not_sent")
    await shop.replica.reconcile()
    assert {provider for _, provider, _ in await shop.attempts()} == {"alfa"}


async def test_one_leg_declined_everywhere_gives_up_the_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.split()
    await decline(shop, monkeypatch, "bravo", "card_declined")
    answer = await shop.pay()
    assert (answer.status_code, codes(answer)) == (402, ["OtherLegFailed", "Declined"])
    assert await shop.attempts() == [(1, "alfa", "VOIDED"), (2, "bravo", "FAILED")]
    assert not await unsettled(shop.eyes)


@pytest.mark.parametrize(
    ("metadata", "amount", "status", "code"),
    [
        ({}, 99_999, 200, None),
        ({}, 100_000, 402, "PolicySkip"),
        ({"merchantTier": "gold"}, 100_000, 200, None),
    ],
)
async def test_the_policy_of_the_seeded_merchant_wants_a_tier_for_large_amounts(
    shop: Shop, metadata: dict[str, str], amount: int, status: int, code: str | None
):
    answer = await shop.pay(amount=amount, metadata=metadata)
    assert (answer.status_code, answer.json().get("details", {}).get("error_code")) == (
        status,
        code,
    )


async def test_a_suspicious_payment_gets_one_account_only(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "alfa", "insufficient_funds")
    answer = await shop.pay(metadata={"fraudScore": 0.9})
    assert (answer.status_code, codes(answer)) == (402, ["PolicySkip"])
    assert await shop.attempts() == [(1, "alfa", "FAILED")]


@pytest.mark.parametrize(
    ("rule", "goes_to"),
    [
        ("prefer bravo", "bravo"),
        ("avoid alfa", "bravo"),
        ("prefer nobody", "alfa"),
        ("allow", "alfa"),
    ],
)
async def test_a_policy_can_prefer_or_avoid_an_account(shop: Shop, rule: str, goes_to: str):
    await shop.use("alfa", "bravo")
    version = await shop.use_policy(f"if true then {rule}\n")
    assert (await shop.pay()).status_code == 200
    assert await shop.attempts() == [(1, goes_to, "SUCCEEDED")]
    inputs = json.loads(await shop.eyes.fetchval("SELECT inputs FROM payments.plans"))
    assert inputs["policy"]["version"] == version


async def test_what_was_decided_is_counted(own_shop: Shop, monkeypatch: pytest.MonkeyPatch):
    await own_shop.split()
    await own_shop.pay()
    await decline(own_shop, monkeypatch, "alfa", "insufficient_funds")
    await own_shop.pay(request_id="r2", amount=4000)
    await own_shop.pay(request_id="r3", amount=100_000)
    page = (await own_shop.replica.http.get("/metrics")).text
    for line in (
        "plan_requests_total 3.0",
        "plan_build_duration_seconds_count 3.0",
        'valerix_policy_decisions_total{action="allow"} 2.0',
        'valerix_policy_decisions_total{action="deny"} 1.0',
        "valerix_policy_errors_total 0.0",
        'valerix_route_attempts_total{outcome="authorised",provider="bravo"} 1.0',
        'valerix_route_attempts_total{outcome="declined",provider="alfa"} 1.0',
        # Of 50.00 at alfa 1.5 %, at bravo 2 %; then 40.00 at bravo.
        'valerix_fees_minor_total{provider="alfa"} 75.0',
        'valerix_fees_minor_total{provider="bravo"} 180.0',
        'valerix_breaker_state{provider="alfa"} 0.0',
    ):
        assert line in page
    assert 'valerix_legs_total{outcome="FAILED"' not in page  # it went on to another account


async def test_a_condition_that_fails_is_counted(own_shop: Shop):
    await own_shop.use_policy("if amount / (amount - 10000) > 0 then deny\n")
    assert (await own_shop.pay()).status_code == 200
    page = (await own_shop.replica.http.get("/metrics")).text
    assert "valerix_policy_errors_total 1.0" in page
    assert 'valerix_policy_decisions_total{action="skipFallback"} 1.0' in page


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE payments.plans SET legs = '[]'",
        "DELETE FROM payments.plans",
        "UPDATE payments.policies SET text = 'another'",
        "UPDATE payments.provider_terms SET fee_basis_points = 0",
        "UPDATE payments.requests SET answer = ''",
        "DELETE FROM payments.requests",
        "UPDATE payments.attempts SET provider_ref = 'another'",
        "INSERT INTO payments.policies (version, text) VALUES (repeat('0', 64), 'not its hash')",
    ],
)
async def test_what_was_decided_and_answered_cannot_be_changed(shop: Shop, sql: str):
    await shop.pay()
    await shop.eyes.execute("UPDATE payments.attempts SET provider_ref = 'pi_1'")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await shop.eyes.execute(sql)


async def test_capacity_is_held_from_the_plan_on_and_free_again_without_the_money(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.terms("alfa", daily_capacity_minor=15_000)
    for name in ("a", "b", "c"):
        assert (await shop.pay(request_id=name)).status_code == 200
    taken = [(provider, state) for _, provider, state in await shop.attempts()]
    held = await shop.eyes.fetchval(
        "SELECT sum(amount_minor) FROM payments.attempts WHERE provider = 'alfa'"
    )
    assert held <= 15_000
    assert {"bravo"} < {provider for provider, _ in taken} == {"alfa", "bravo"}


async def test_many_plans_at_once_do_not_take_more_than_the_capacity(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.terms("alfa", daily_capacity_minor=25_000)
    answers = await asyncio.gather(*(shop.pay(request_id=f"r{n}") for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    held = await shop.eyes.fetchval(
        "SELECT sum(amount_minor) FROM payments.attempts WHERE provider = 'alfa'"
    )
    assert held <= 25_000
    assert not await unsettled(shop.eyes)


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ({}, "neither a card nor a wallet"),
        ({"card": dict, "wallet": {"wallet_id": "w", "wallet_type": "x"}}, "a card and a wallet"),
    ],
)
async def test_a_payment_method_that_is_none_or_two_says_so(shop: Shop, method: Any, why: str):
    given = {name: CARD if value is dict else value for name, value in method.items()}
    answer = await shop.pay(payment_method=given)
    assert_problem(answer, 400, "validation")
    assert why in answer.json()["detail"]


async def test_a_day_that_is_used_up_is_no_refusal_for_good(shop: Shop):
    await shop.use("alfa")
    await shop.terms("alfa", daily_capacity_minor=15_000)
    assert (await shop.pay()).status_code == 200
    later = {"request_id": "later"}
    # 5 000 are left of the day; after the next one nothing is.
    for amount in (6000, 5000, 50):
        answer = await shop.pay(**later, amount=amount)
        if amount == 5000:
            assert answer.status_code == 200
            later = {"request_id": "much-later"}
            continue
        assert_problem(answer, 503, "capacity-used-up")
        assert answer.headers["x-valerix-executed"] == "no"
        again_at = datetime.fromisoformat(answer.json()["details"]["retry_at"])
        assert (again_at.hour, again_at.minute, again_at.utcoffset()) == (0, 0, timedelta(0))
        assert 1 <= int(answer.headers["retry-after"]) <= 86_400
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.requests") == 2
    too_much = await shop.pay(request_id="never", amount=15_001)
    assert (too_much.status_code, too_much.json()["code"]) == (422, "no-plan")
    assert too_much.json()["details"]["error_code"] == "PlanInfeasible"


NUMBER = "4242424242424242"
CARD = {"number": NUMBER, "exp_month": 12, "exp_year": 2099, "cvc": "737"}


async def test_a_card_is_exchanged_and_its_digits_are_nowhere(
    shop: Shop, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    answer = await shop.pay(payment_method={"card": CARD})
    assert answer.status_code == 200
    assert await shop.eyes.fetchval("SELECT DISTINCT method FROM payments.attempts") == "pm_mock"
    tables = await shop.eyes.fetch(
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables"
        " WHERE table_schema IN ('payments', 'gateway', 'proof') AND table_type = 'BASE TABLE'"
    )
    for table in tables:
        dump = await shop.eyes.fetchval(
            f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table['name']} t"
        )
        assert NUMBER not in dump
        assert NUMBER.encode().hex() not in dump
    assert NUMBER not in caplog.text
    assert NUMBER not in answer.text


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": 2**53 + 1}, "amount"),
        ({"currency": "XYZ"}, "currency"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": "r" * 256}, "request_id"),
        ({"request_id": "two words"}, "request_id"),
        ({"metadata": {str(n): n for n in range(51)}}, "metadata"),
        ({"metadata": {"fraudScore": 7}}, "fraudScore"),
        ({"metadata": {"split": "bogus"}}, "split"),
        ({"metadata": {"split": True}}, "split"),
        ({"payment_method": {}}, "payment_method"),
        ({"payment_method": {"wallet": {"wallet_id": "w", "wallet_type": "x"}}}, "wallet"),
        ({"payment_method": {"card": {**CARD, "number": "4242424242424241"}}}, "number"),
        ({"payment_method": {"card": {**CARD, "number": "4242abcd42424242"}}}, "number"),
        ({"payment_method": {"card": {**CARD, "exp_year": 2020}}}, "exp_month"),
        ({"payment_method": {
            "card": CARD, "wallet": {"wallet_id": "w", "wallet_type": "x"}}}, "payment_method"),
    ],
)  # fmt: skip
async def test_a_request_that_is_wrong_is_refused_and_named(
    payments: Replica, fields: dict[str, Any], pointer: str
):
    body = {"request_id": "r1", "merchant_id": "m1", "amount": 100, "currency": "USD", **fields}
    answer = await payments.http.post("/process-payment", json=body)
    assert answer.status_code == 400
    assert pointer in answer.text
    assert "42424242" not in answer.text
    assert await payments.eyes.fetchval("SELECT count(*) FROM payments.requests") == 0


async def test_an_unknown_merchant_is_a_404(payments: Replica):
    body = {"request_id": "r1", "merchant_id": "nobody", "amount": 100, "currency": "USD"}
    answer = await payments.http.post("/process-payment", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "merchant-not-found")


async def test_the_seeded_policy_is_the_one_of_the_code(connection: asyncpg.Connection):
    read = read_policy(DEMO_POLICY)
    assert isinstance(read, Policy)
    stored = await connection.fetchrow("SELECT version, text FROM payments.policies")
    assert tuple(stored) == (read.version, read.text)
