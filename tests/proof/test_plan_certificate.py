"""A plan's claim to be the cheapest is checked by a solver, and a false one is found."""

import sys

import msgspec
import pytest

from proof.plan_certificate import AccountTerms, ClaimedLeg, PlanClaim, check_plan

A = AccountTerms(
    account="A", fee_basis_points=150, fee_fixed_minor=10, minimum_minor=100, most_minor=5_000
)
B = msgspec.structs.replace(A, account="B", fee_basis_points=200, most_minor=20_000)
LEGS = (
    ClaimedLeg(account="A", amount_minor=5_000, fee_minor=85),
    ClaimedLeg(account="B", amount_minor=5_000, fee_minor=110),
)
CLAIM = PlanClaim(
    amount_minor=10_000, terms=(A, B), legs=LEGS, cost_minor=195, lower_bound_minor=195
)


def test_the_cheapest_plan_is_proven():
    assert check_plan(CLAIM).outcome == "proven"


def test_a_plan_that_claims_less_than_it_could_is_proven():
    assert check_plan(msgspec.structs.replace(CLAIM, lower_bound_minor=190)).outcome == "proven"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount_minor": 10_001}, "the legs sum to 10000, not to 10001"),
        ({"cost_minor": 196}, "the legs cost 195, not 196"),
        ({"lower_bound_minor": 196}, "the plan costs 195, less than its bound 196"),
        ({"terms": (A,)}, "B is not among the accounts"),
        ({"legs": (LEGS[0], LEGS[0])}, "two legs at one account"),
        (
            {"legs": (LEGS[0], ClaimedLeg(account="B", amount_minor=5_000, fee_minor=109))},
            "the leg at B costs 110, not 109",
        ),
        (
            {"terms": (msgspec.structs.replace(A, most_minor=4_999), B)},
            "A takes 100 to 4999, not 5000",
        ),
    ],
)
def test_a_plan_that_is_none_is_broken(change: dict[str, object], reason: str):
    verdict = check_plan(msgspec.structs.replace(CLAIM, **change))
    assert (verdict.outcome, verdict.reason) == ("broken", reason)


def test_a_dearer_plan_is_broken_by_a_cheaper_one():
    alone = ClaimedLeg(account="B", amount_minor=10_000, fee_minor=210)
    verdict = check_plan(
        msgspec.structs.replace(CLAIM, legs=(alone,), cost_minor=210, lower_bound_minor=210)
    )
    assert verdict.outcome == "broken"
    assert verdict.reason.endswith("costs 195")


def test_a_fixed_fee_is_not_lost_in_the_solver_s_tolerance():
    """A leg of a few units at an account of 10**8 must not pass for no leg at all."""
    wide = msgspec.structs.replace(A, fee_fixed_minor=500, minimum_minor=1, most_minor=10**8)
    other = msgspec.structs.replace(B, fee_fixed_minor=0, most_minor=10**8)
    amount = 50 * 10**6
    cheapest = ClaimedLeg(account="A", amount_minor=amount, fee_minor=750_500)
    claim = PlanClaim(
        amount_minor=amount,
        terms=(wide, other),
        legs=(cheapest,),
        cost_minor=750_500,
        lower_bound_minor=750_500,
    )
    assert check_plan(claim).outcome == "proven"


def test_what_the_solver_cannot_count_exactly_is_undecided():
    amount = 10**9 + 1
    wide = msgspec.structs.replace(B, most_minor=amount, fee_basis_points=0)
    leg = ClaimedLeg(account="B", amount_minor=amount, fee_minor=10)
    claim = PlanClaim(
        amount_minor=amount, terms=(wide,), legs=(leg,), cost_minor=10, lower_bound_minor=10
    )
    assert check_plan(claim).outcome == "undecided"


def test_without_the_solver_a_claim_is_undecided(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "highspy", None)
    verdict = check_plan(CLAIM)
    assert verdict.outcome == "undecided"
    assert "solver" in verdict.reason
