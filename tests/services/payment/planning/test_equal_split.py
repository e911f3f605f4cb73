"""Equal parts over the accounts, as `metadata.split=equal` asks for."""

import pytest

from services.payment.planning import Infeasible, Plan, ProviderTerms, equal_split
from tests.services.payment.planning.accounts import terms


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(9, [3, 3, 3]), (10, [4, 3, 3]), (11, [4, 4, 3])],
)
def test_what_does_not_divide_goes_to_the_first_accounts(amount: int, expected: list[int]):
    plan = equal_split(amount, "EUR", [terms(x, 150) for x in "ABC"])
    assert isinstance(plan, Plan)
    assert [leg.amount_minor for leg in plan.legs] == expected
    assert plan.certificate is None


def test_each_leg_pays_its_own_account_s_fee():
    plan = equal_split(10_000, "EUR", [terms("A", 150, 30), terms("B", 200)])
    assert isinstance(plan, Plan)
    assert [leg.fee_minor for leg in plan.legs] == [105, 100]
    assert plan.fee_minor == 205


@pytest.mark.parametrize(
    ("accounts", "reason"),
    [
        ([terms("A", 150), terms("B", 150, most=49)], "equal-part-refused"),
        ([terms("A", 150), terms("B", 150, capacity=49)], "equal-part-refused"),
        ([terms("A", 150), terms("B", 150, least=51)], "equal-part-refused"),
        ([terms("A", 150, currencies="USD")], "no-account"),
        ([terms(f"a{n}", 150) for n in range(21)], "too-many-accounts"),
    ],
)
def test_a_part_that_an_account_does_not_take_refuses_the_whole(
    accounts: list[ProviderTerms], reason: str
):
    refused = equal_split(100, "EUR", accounts)
    assert isinstance(refused, Infeasible)
    assert refused.reason == reason


def test_more_accounts_than_minor_units_are_refused():
    refused = equal_split(2, "EUR", [terms(x, 150) for x in "ABC"])
    assert isinstance(refused, Infeasible)
    assert refused.message == "an equal part is 0 minor units, and C takes 1 to 1000000"
