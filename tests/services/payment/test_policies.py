"""Policies over HTTP: checked, saved for good, given to a merchant, tried on earlier payments."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest

from chassis.settings import Settings
from services.payment.policy import DEMO_POLICY
from tests.harness.problems import assert_problem
from tests.services.payment.account_shop import Shop, decline, open_shop
from tests.services.payment.test_process import CARD

pytestmark = pytest.mark.asyncio(loop_scope="module")

AVOID_ALFA = "if amount > 1000 then avoid alfa\n"
DENY_LARGE = "if amount > 9000 then deny\n"
NO_OTHER = "if true then skipFallback\n"
TOKEN = "the-token-of-the-shops-operator"


async def ask(shop: Shop, path: str, text: str | None, **more: Any) -> httpx.Response:
    body = more if text is None else {"text": text, **more}
    answer: httpx.Response = await shop.replica.http.post(path, json=body)
    return answer


async def what_if(shop: Shop, text: str | None, **more: Any) -> Any:
    answer = await ask(shop, "/policies/what-if", text, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_text_is_checked_with_every_mistake_at_its_place(shop: Shop):
    good = (await ask(shop, "/policies/check", DEMO_POLICY)).json()
    assert (good["saved"], good["mistakes"], len(good["rules"])) == (True, [], 4)
    bad = await ask(shop, "/policies/check", "if true then prefer nobody\nif amuont > 1 then deny")
    places = [(each["line"], each["column"], each["code"]) for each in bad.json()["mistakes"]]
    assert places == [(1, 21, "unknown-provider"), (2, 4, "unknown-name")]
    assert bad.json()["version"] is None


async def test_a_version_is_saved_once_and_given_to_a_merchant(shop: Shop):
    saved = await ask(shop, "/policies", DENY_LARGE)
    again = await ask(shop, "/policies", "if amount>9000 then deny")
    assert (saved.status_code, again.status_code) == (201, 200)
    assert again.content == saved.content
    body = {"version": saved.json()["version"]}
    given = await shop.replica.http.put("/merchants/m1/policy", json=body)
    assert given.json() == {"merchant_id": "m1", **body}
    assert (await shop.pay()).json()["details"]["error_code"] == "PolicySkip"
    kept = await shop.eyes.fetchval("SELECT count(*) FROM payments.policies")
    assert kept == 2


async def test_what_is_no_policy_is_not_saved(shop: Shop):
    answer = await ask(shop, "/policies", "if amount > then deny")
    assert_problem(answer, 422, "policy-invalid")
    assert answer.json()["details"]["mistakes"][0]["line"] == 1
    assert "Line 1, column" in answer.json()["detail"]
    too_long = await ask(shop, "/policies", f"if region.contains('{'x' * 17_000}') then deny")
    assert too_long.json()["details"]["mistakes"][0]["code"] == "too-long"


async def test_a_merchant_gets_only_a_version_that_was_saved(shop: Shop):
    put = shop.replica.http.put
    nothing = await put("/merchants/m1/policy", json={"version": "0" * 64})
    assert_problem(nothing, 404, "policy-not-found")
    version = await shop.eyes.fetchval("SELECT version FROM payments.policies")
    nobody = await put("/merchants/nobody/policy", json={"version": version})
    assert_problem(nobody, 404, "merchant-not-found")
    assert_problem(await put("/merchants/m1/policy", json={"version": "x"}), 400, "validation")


async def test_only_the_operator_saves_and_gives_where_there_is_a_token(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
):
    async with open_shop(payment_settings(operator_token=TOKEN), connection) as shop:
        http = shop.replica.http
        for method, path, body in (
            ("POST", "/policies", {"text": DENY_LARGE}),
            ("PUT", "/merchants/m1/policy", {"version": "0" * 64}),
        ):
            assert_problem(await http.request(method, path, json=body), 401, "token-needed")
        operator = {"Authorization": f"Bearer {TOKEN}"}
        saved = await http.post("/policies", json={"text": DENY_LARGE}, headers=operator)
        assert saved.status_code == 201


async def test_the_policy_of_the_past_changes_nothing_in_the_past(shop: Shop):
    await shop.split()
    await shop.pay()
    await shop.pay(request_id="r2", amount=2000)
    found = await what_if(shop, DEMO_POLICY)
    assert (found["payments"], found["changed"], found["unknown"]) == (2, [], 0)
    (fees,) = found["fees"]
    assert fees["before_minor"] == fees["after_minor"] == 75 + 100 + 30


async def test_a_payment_that_goes_elsewhere_has_an_outcome_that_nobody_knows(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.pay()
    found = await what_if(shop, AVOID_ALFA)
    (changed,) = found["changed"]
    assert [leg["account"] for leg in changed["before"]["legs"]] == ["alfa"]
    assert [leg["account"] for leg in changed["after"]["legs"]] == ["bravo"]
    assert (changed["outcome"], found["unknown"]) == ("unknown", 1)
    (fees,) = found["fees"]
    assert (fees["before_minor"], fees["after_minor"]) == (175, 210)


async def test_a_payment_that_is_denied_is_known_not_to_be_taken(shop: Shop):
    await shop.pay()
    await shop.pay(request_id="small", amount=2000)
    found = await what_if(shop, DENY_LARGE)
    (changed,) = found["changed"]
    assert (changed["outcome"], changed["after"]["action"]) == ("not-taken", "deny")
    (fees,) = found["fees"]
    assert (fees["payments"], fees["not_taken_minor"], found["not_taken"]) == (1, 10_000, 1)


async def test_without_another_account_a_first_decline_would_have_been_the_last(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await decline(shop, monkeypatch, "alfa", "insufficient_funds")
    assert (await shop.pay()).status_code == 200
    await shop.use("bravo", "charlie")
    assert (await shop.pay(request_id="easy")).status_code == 200
    found = await what_if(shop, NO_OTHER)
    outcomes = {each["before"]["legs"][0]["account"]: each["outcome"] for each in found["changed"]}
    assert (outcomes, found["same_route"]) == ({"alfa": "not-taken"}, 1)


async def test_what_was_refused_before_is_tried_under_the_draft(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.pay(request_id="denied", amount=1_000_00)
    await shop.pay(request_id="taken", amount=6000)
    await shop.pay(request_id="infeasible", amount=10)
    found = await what_if(shop, AVOID_ALFA)
    assert (found["payments"], found["refused"], found["without_plan"]) == (1, 2, 0)
    tried = {each["request_id"]: each for each in found["changed"] if each["request_id"]}
    assert set(tried) == {"denied"}
    assert (tried["denied"]["before"]["action"], tried["denied"]["outcome"]) == ("deny", "unknown")
    assert [leg["account"] for leg in tried["denied"]["after"]["legs"]] == ["bravo"]


async def test_what_is_kept_of_a_refused_request_has_no_digit_of_its_card(shop: Shop):
    await shop.pay(amount=1_000_00, payment_method={"card": CARD})
    kept = await shop.eyes.fetchval("SELECT inputs::text FROM payments.requests")
    assert "policy_inputs" in kept
    assert CARD["number"] not in kept


async def test_a_what_if_changes_nothing_and_another_one_at_once_is_refused(shop: Shop):
    for number in range(6):
        await shop.pay(request_id=f"r{number}")
    before = await shop.eyes.fetch("SELECT * FROM payments.plans ORDER BY at")
    answers = await asyncio.gather(
        *(ask(shop, "/policies/what-if", AVOID_ALFA, last=5) for _ in range(2))
    )
    assert sorted(each.status_code for each in answers) == [200, 503]
    (busy,) = [each for each in answers if each.status_code == 503]
    assert_problem(busy, 503, "what-if-busy")
    assert busy.headers["x-valerix-executed"] == "no"
    assert await shop.eyes.fetch("SELECT * FROM payments.plans ORDER BY at") == before


@pytest.mark.parametrize("last", [0, 501, "x"])
async def test_how_many_payments_a_what_if_looks_at_is_bounded(shop: Shop, last: Any):
    assert_problem(await ask(shop, "/policies/what-if", NO_OTHER, last=last), 400, "validation")


async def test_other_fees_send_a_payment_elsewhere_or_change_its_fee(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.pay()
    dearer = {"alfa": {"fee_basis_points": 5000}}
    found = await what_if(shop, DEMO_POLICY, terms=dearer)
    (changed,) = found["changed"]
    assert [leg["account"] for leg in changed["after"]["legs"]] == ["bravo"]
    assert changed["outcome"] == "unknown"
    found = await what_if(shop, DEMO_POLICY, terms={"alfa": {"fee_basis_points": 100}})
    (fees,) = found["fees"]
    assert (found["changed"], found["same_route"]) == ([], 1)
    assert (fees["before_minor"], fees["after_minor"]) == (175, 125)


async def test_without_a_draft_each_payment_has_the_policy_that_it_had(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.use_policy(AVOID_ALFA)
    await shop.pay(request_id="avoids")
    await shop.use_policy(DENY_LARGE)
    await shop.pay(request_id="denied")
    await shop.eyes.execute("UPDATE payments.merchants SET policy_version = NULL")
    await shop.pay(request_id="free")
    found = await what_if(shop, None, terms={"alfa": {"fee_basis_points": 5000}})
    assert (found["version"], found["payments"], found["refused"]) == (None, 2, 1)
    (changed,) = found["changed"]
    went, would_go = (
        [leg["account"] for leg in changed[way]["legs"]] for way in ("before", "after")
    )
    assert (went, would_go, changed["before"]["action"]) == (["alfa"], ["bravo"], "allow")


async def test_another_capacity_of_a_day_is_used_up_in_the_order_of_the_payments(shop: Shop):
    await shop.use("alfa", "bravo")
    # The second would go elsewhere, and what it leaves is enough for the third.
    for number, amount in enumerate((6000, 4000, 2500)):
        await shop.pay(request_id=f"r{number}", amount=amount)
    found = await what_if(shop, None, terms={"alfa": {"daily_capacity_minor": 9000}})
    (changed,) = found["changed"]
    assert (changed["amount_minor"], changed["outcome"], found["unknown"]) == (4000, "unknown", 1)
    assert [leg["account"] for leg in changed["after"]["legs"]] != ["alfa"]


async def test_an_account_s_day_can_be_tried_without_a_limit_and_with_a_first_one(shop: Shop):
    await shop.use("alfa", "bravo")
    await shop.terms("alfa", daily_capacity_minor=5000)
    await shop.terms("bravo", daily_capacity_minor="NULL")
    for number in range(2):
        await shop.pay(request_id=f"r{number}", amount=4000)
    unlimited = await what_if(shop, None, terms={"alfa": {"daily_capacity_minor": None}})
    assert [leg["account"] for leg in unlimited["changed"][0]["after"]["legs"]] == ["alfa"]
    first = await what_if(shop, None, terms={"bravo": {"daily_capacity_minor": 2999}})
    assert [each["after"]["action"] for each in first["changed"]] == ["no plan"]


async def test_terms_that_no_account_has_are_refused_with_their_place(shop: Shop):
    nothing = await ask(shop, "/policies/what-if", None)
    assert_problem(nothing, 422, "terms-invalid")
    assert nothing.json()["details"][0]["pointer"] == "/terms"
    # No payment is stored that it could be tried on.
    for wrong, status, place in (
        ({"nobody": {}}, 422, "/terms/nobody"),
        ({"alfa": {"fee_basis_points": -1}}, 400, "fee_basis_points"),
        ({"alfa": {"fee_fixed_minor": 0.5}}, 400, "fee_fixed_minor"),
        ({"alfa": {"daily_capacity_minor": -1}}, 400, "daily_capacity_minor"),
        ({"alfa": {"minimum_minor": 2000, "maximum_minor": 1000}}, 422, "/terms/alfa"),
        ({"alfa": {"minimum_minor": 100_000_000}}, 422, "/terms/alfa"),
        ([], 400, "terms"),
        ({f"a{n}": {} for n in range(21)}, 400, "terms"),
    ):
        answer = await ask(shop, "/policies/what-if", DEMO_POLICY, terms=wrong)
        assert_problem(answer, status, "validation" if status == 400 else "terms-invalid")
        assert place in answer.text
