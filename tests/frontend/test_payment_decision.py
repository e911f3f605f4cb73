"""A stored decision in words: which account was left out and why, what was chosen, what is next."""

import pytest
from msgspec.structs import replace

from frontend.payments.decision import explain, fee_of
from frontend.payments.records import ActionRecord, DecisionRecord, PlanCertificate, PlannedPart
from frontend.web.formatting import money
from services.payment.planning.fees import leg_fee
from tests.frontend.payment_samples import (
    BEGAN,
    BRAVO,
    DETAILS,
    INPUTS,
    OPENED,
    PLAN,
    POLICY,
    ROUTE,
    TRY,
    terms,
)


def planned(bravo=BRAVO, details=DETAILS, accounts=PLAN.accounts, **inputs):
    """The sample, with another second account or other inputs."""
    given = replace(INPUTS, terms=(INPUTS.terms[0], bravo), **inputs)
    return replace(details, plan=replace(PLAN, inputs=given, accounts=accounts))


def verdict(details, account="bravo"):
    (row,) = [each for each in explain(details).accounts if each.account == account]
    return row.word, row.why


CASES = {
    "currency": (planned(replace(BRAVO, currencies=("USD",))), "does not take EUR"),
    "minimum": (planned(replace(BRAVO, minimum_minor=20_000)), f"takes {money(20_000, 'EUR')} at"),
    "capacity": (planned(replace(BRAVO, capacity_minor=10)), "of the day's capacity was left"),
    "policy": (planned(usable=("alfa",)), "the policy avoids it"),
    "connector": (planned(accounts=("alfa",)), "had no connector"),
    "breaker": (
        planned(details=replace(DETAILS, breakers=(OPENED,)), accounts=("alfa",)),
        "its breaker was open: no answer in time",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_account_that_was_left_out_is_shown_with_the_reason(name):
    details, reason = CASES[name]
    word, why = verdict(details)
    assert word == "left out"
    assert reason in why


def test_an_account_below_the_amount_could_have_taken_a_part():
    word, why = verdict(planned(replace(BRAVO, maximum_minor=4000)))
    assert (word, why) == ("next in line", f"would take {money(4000, 'EUR')} at most")


def test_the_chosen_account_and_the_difference_to_the_next_are_named():
    assert verdict(DETAILS, "alfa") == ("chosen", "takes the whole")
    assert verdict(DETAILS) == ("next in line", f"{money(50, 'EUR')} dearer")
    nobody_next = replace(DETAILS, decisions=(replace(ROUTE, inputs={"else": []}),))
    assert verdict(nobody_next)[0] == "not needed"


def test_a_preferred_account_is_chosen_for_that_reason():
    policy = replace(POLICY, action=ActionRecord("prefer", "alfa"))
    sentences = " ".join(explain(planned(policy=policy)).sentences)
    assert "The policy prefers alfa" in sentences


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        (PlanCertificate(150, 150), "no other division costs less: that is proven"),
        (PlanCertificate(150, 140), "nothing costs less than"),
        (None, "Equal parts were asked for"),
    ],
)
def test_the_cost_is_called_least_only_where_the_certificate_claims_it(certificate, sentence):
    plan = replace(PLAN, certificate=certificate)
    assert sentence in " ".join(explain(replace(DETAILS, plan=plan)).sentences)


def test_a_policy_that_allows_no_other_account_says_so():
    policy = replace(POLICY, action=ActionRecord("skipFallback"))
    sentences = explain(planned(policy=policy, fallback=False)).sentences
    assert "If it declines, no other account is tried: skipFallback." in sentences


def test_several_parts_are_listed_with_their_amounts():
    legs = (PlannedPart("alfa", "stripe", 6000, 90), PlannedPart("bravo", "stripe", 4000, 80))
    plan = replace(PLAN, legs=legs, certificate=PlanCertificate(170, 170))
    sentences = " ".join(explain(replace(DETAILS, plan=plan)).sentences)
    total = money(170, "EUR")
    parts = f"alfa {money(6000, 'EUR')} and bravo {money(4000, 'EUR')} cost {total} together"
    assert parts in sentences


def test_a_part_that_went_on_names_who_declined():
    declined = replace(TRY, state="FAILED", detail="insufficient_funds")
    went_on = replace(DETAILS, tries=(declined, replace(TRY, n=2, provider="bravo")))
    assert (
        explain(went_on).sentences[-1] == "Part 1: after alfa said no, bravo was asked: captured."
    )


def test_an_order_s_payment_has_the_reason_that_was_kept():
    details = replace(DETAILS, plan=None, decisions=(replace(ROUTE, reason="It is the one."),))
    assert explain(details).sentences == ("It went to alfa. It is the one.",)


@pytest.mark.parametrize("amount", [1, 33, 99, 100, 101, 9_999, 2**53])
@pytest.mark.parametrize("points", [0, 1, 150, 10_000])
def test_the_fee_shown_is_the_fee_charged(amount, points):
    account = terms("alfa", points, 25)
    assert fee_of(account, amount) == leg_fee(amount, basis_points=points, fixed_minor=25)


def test_a_plan_that_was_replaced_is_shown_with_its_reason():
    first = replace(PLAN, legs=(PlannedPart("bravo", "stripe", 10_000, 200),))
    second = replace(PLAN, plan_n=2, inputs=replace(INPUTS, usable=("alfa",), left_out=("bravo",)))
    why = DecisionRecord(2, "replace", None, None, "bravo did not have its part.", {}, BEGAN)
    details = replace(DETAILS, plan=second, replaced=first, decisions=(ROUTE, why))
    view = explain(details)
    assert "Its first plan was replaced. bravo did not have its part." in view.sentences
    assert "If it declines, there is no other account to try." in view.sentences
    [left_out] = [row for row in view.accounts if row.account == "bravo"]
    assert (left_out.word, left_out.why) == ("left out", "it failed the plan before")
