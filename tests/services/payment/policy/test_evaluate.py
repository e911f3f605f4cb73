"""The first rule that is true decides; what cannot be evaluated never counts as true."""

from collections import Counter

import cel
import msgspec
import pytest

from services.payment.policy import (
    DEMO_POLICY,
    Inputs,
    Policy,
    PolicyAction,
    evaluate,
    policy_inputs,
    read_policy,
)
from tests.services.payment.policy.conditions import Conditions

INPUT: Inputs = {
    "amount": 200_000,
    "currency": "EUR",
    "unit": 100,
    "fraudScore": 0.1,
    "region": "EU",
    "merchantTier": "gold",
}


def policy(text: str) -> Policy:
    found = read_policy(text)
    assert isinstance(found, Policy), found
    return found


def test_the_first_rule_that_is_true_decides():
    decision = evaluate(
        policy("unit == 1 then deny\namount > 1 then prefer alfa\nregion == 'EU' then deny"), INPUT
    )
    assert (decision.action, decision.line) == (PolicyAction("prefer", "alfa"), 2)
    assert [each.outcome for each in decision.trace] == ["not matched", "matched", "not reached"]


def test_where_no_rule_decides_it_is_allowed():
    decision = evaluate(policy("unit == 1 then deny"), INPUT)
    assert (decision.action.kind, decision.line, decision.failed) == ("allow", None, False)


@pytest.mark.parametrize(
    "condition",
    [
        "1 / (amount - 200000) > 0",
        "amount % (amount - 200000) == 0",
        "amount * amount * amount * amount > 0",
        "9223372036854775807 + amount > 0",
        "false || 1 / (unit - 100) > 0",
    ],
)
def test_a_condition_that_fails_takes_its_on_error(condition: str):
    text = f"{condition} then allow onError deny\ntrue then allow"
    decision = evaluate(policy(text), INPUT)
    assert (decision.action.kind, decision.line, decision.failed) == ("deny", 1, True)
    assert decision.trace[0].outcome == "failed"
    assert decision.trace[0].message
    assert evaluate(policy(f"{condition} then allow"), INPUT).action.kind == "skipFallback"


def test_what_is_decided_without_the_part_that_fails_does_not_fail():
    assert evaluate(policy("true || 1 / (unit - 100) > 0 then deny"), INPUT).action.kind == "deny"


@pytest.mark.parametrize("name", INPUT)
def test_a_value_that_is_missing_or_of_another_type_fails_the_rule(name: str):
    rule = policy(f"{name} == {name} then allow onError deny")
    for wrong in (None, [], {}):
        decision = evaluate(rule, {**INPUT, name: wrong})  # type: ignore[dict-item]
        assert (decision.action.kind, decision.failed) == ("deny", True)
    without = {key: value for key, value in INPUT.items() if key != name}
    assert evaluate(rule, without).failed


def test_a_decision_is_plain_data():
    decision = evaluate(policy("amount > 1 then avoid alfa"), INPUT)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=type(decision)) == decision


def _another_library_agrees(seed: int, count: int) -> None:
    """What a stored decision is proven by: both say true, or false, or both fail."""
    random, outcomes = Conditions(seed), Counter()
    for _ in range(count):
        rule, inputs = read_policy(f"{random.one()} then deny"), random.inputs()
        if not isinstance(rule, Policy):
            assert {each.code for each in rule} <= {"too-deep", "too-long"}, rule
            continue
        when = rule.rules[0].when
        outcome = evaluate(rule, inputs).trace[0].outcome
        try:
            expected = "matched" if cel.evaluate(when, inputs) is True else "not matched"
        except (ArithmeticError, RuntimeError, TypeError, ValueError):
            expected = "failed"
        assert outcome == expected, (when, inputs)
        outcomes[outcome] += 1
    assert min(outcomes[each] for each in ("matched", "not matched", "failed")) > count / 100
    assert outcomes.total() > 0.9 * count


def test_another_library_decides_the_same():
    _another_library_agrees(0, 400)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_another_library_decides_the_same_in_20_000_cases(seed: int):
    _another_library_agrees(seed, 2_000)


# ---- the demo policy -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "metadata", "action"),
    [
        (99_999, "EUR", {}, "allow"),
        (100_000, "EUR", {}, "deny"),
        (999, "JPY", {}, "allow"),
        (1_000, "JPY", {}, "deny"),
        (999_999, "BHD", {}, "allow"),
        (1_000_000, "BHD", {}, "deny"),
        (100_000, "EUR", {"merchantTier": "gold"}, "allow"),
        (500, "EUR", {"fraudScore": 0.81}, "skipFallback"),
        (500, "EUR", {"fraudScore": 0.8}, "allow"),
        (100_001, "EUR", {"merchantTier": "gold", "region": "EU"}, "allowRetry = false"),
        (100_001, "EUR", {"merchantTier": "gold", "region": "US"}, "allow"),
        (100_001, "EUR", {"fraudScore": 1}, "deny"),
    ],
)
def test_the_demo_policy_asks_for_a_tier_from_1_000_units_on(
    amount: int, currency: str, metadata: dict[str, object], action: str
):
    inputs = policy_inputs(amount_minor=amount, currency=currency, metadata=metadata, merchant={})
    assert isinstance(inputs, dict)
    assert str(evaluate(policy(DEMO_POLICY), inputs).action) == action
