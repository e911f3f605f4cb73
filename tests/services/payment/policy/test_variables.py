"""The values that a policy is asked with come from the request, then from the merchant."""

import math
from typing import Any

import msgspec
import pytest

from services.payment.policy import VARIABLES, BadInput, policy_inputs
from services.payment.policy.checker import program


def inputs(metadata: dict[str, Any], merchant: dict[str, Any], **changed: Any) -> Any:
    asked = {"amount_minor": 100, "currency": "EUR", **changed}
    return policy_inputs(metadata=metadata, merchant=merchant, **asked)


def test_every_variable_has_a_value_and_nothing_else_does():
    found = inputs({"orderId": "x", "fraudScore": None}, {"name": "m1"})
    assert found == {
        "amount": 100,
        "currency": "EUR",
        "unit": 100,
        "fraudScore": 0.0,
        "region": "",
        "merchantTier": "",
    }
    assert set(found) == {each.name for each in VARIABLES}
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("fraudScore", 0.5, 0.25), ("region", "EU", "US"), ("merchantTier", "gold", "basic")],
)
def test_the_request_is_asked_before_the_merchant(name: str, first: object, second: object):
    assert inputs({name: first}, {name: second})[name] == first
    assert inputs({}, {name: second})[name] == second


@pytest.mark.parametrize("place", ["metadata", "merchant"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fraudScore", "0.5"),
        ("fraudScore", True),
        ("fraudScore", -0.01),
        ("fraudScore", 1.01),
        ("fraudScore", math.nan),
        ("fraudScore", 10**400),
        ("region", "eu"),
        ("region", 1),
        ("region", "EU\n"),
        ("region", "E" * 17),
        ("merchantTier", "Gold"),
        ("merchantTier", ["gold"]),
        ("merchantTier", "g" * 33),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(place: str, name: str, value: object):
    given = {"metadata": {}, "merchant": {}, place: {name: value}}
    refused = inputs(**given)
    assert isinstance(refused, BadInput)
    assert refused.field == f"{place}.{name}"
    assert refused.message.startswith("must be")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"amount_minor": 0}, "amount"),
        ({"amount_minor": 2**53 + 1}, "amount"),
        ({"currency": "XXX"}, "currency"),
    ],
)
def test_an_amount_that_no_payment_can_have_is_refused(changed: dict[str, object], field: str):
    refused = inputs({}, {}, **changed)
    assert isinstance(refused, BadInput)
    assert refused.field == field


def test_a_whole_score_is_a_decimal_number_like_any_other():
    score = inputs({"fraudScore": 1}, {})["fraudScore"]
    assert (type(score), score) == (float, 1.0)


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: each.name)
def test_every_variable_is_known_to_the_checker_by_its_type(variable: Any):
    literal = {"int": "1", "double": "1.0", "string": "'a'"}[variable.type]
    assert program(f"{variable.name} == {literal}")
