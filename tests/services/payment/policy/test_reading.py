"""A policy's text is read into rules, or refused with the place of every mistake."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payment.policy import DEMO_POLICY, Mistake, Policy, read_policy, stored_policy
from services.payment.policy.reading import MAX_LINE, MAX_RULES, MAX_TEXT
from tests.services.payment.policy.conditions import Conditions


def accepted(text: str) -> Policy:
    policy = read_policy(text, {"alfa", "bravo"})
    assert isinstance(policy, Policy), policy
    return policy


def mistakes(text: str) -> tuple[Mistake, ...]:
    found = read_policy(text, {"alfa", "bravo"})
    assert not isinstance(found, Policy)
    return found


# ---- what is a policy ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "when", "action", "on_error"),
    [
        ("fraudScore > 0.8 then skipFallback", "fraudScore > 0.8", "skipFallback", "skipFallback"),
        (
            "if region == 'EU' && amount > 100000 then allowRetry = false",
            "region == 'EU' && amount > 100000",
            "allowRetry = false",
            "skipFallback",
        ),
        ("true then prefer alfa", "true", "prefer alfa", "skipFallback"),
        ("true then avoid bravo onError deny", "true", "avoid bravo", "deny"),
        ("true then deny onError allowRetry=false", "true", "deny", "allowRetry = false"),
        ("region == ' then # ' then allow # why", "region == ' then # '", "allow", "skipFallback"),
        (
            "amount>-1&&!( unit==1 )&&amount in[ 1,-2 ] then deny",
            "amount > -1 && !(unit == 1) && amount in [1, -2]",
            "deny",
            "skipFallback",
        ),
    ],
)
def test_a_rule_is_a_condition_and_an_action(line: str, when: str, action: str, on_error: str):
    (rule,) = accepted(line).rules
    assert (rule.when, str(rule.action), str(rule.on_error)) == (when, action, on_error)


def test_rules_keep_their_lines_between_comments_and_empty_lines():
    policy = accepted("# first\r\n\r\n  true   then deny   # always  \r\n\r\n")
    assert policy.text == "# first\n\nif true then deny  # always\n"
    assert [rule.line for rule in policy.rules] == [3]


def test_no_rule_is_a_policy():
    assert accepted("").rules == ()


def test_a_version_is_the_same_for_every_spelling_and_for_no_other_text():
    one = accepted("amount>1 then deny")
    assert one.version == accepted("\tif amount  >  1 then   deny\n\n").version
    others = ["amount > 2 then deny", "amount > 1 then allow", "amount > 1 then deny onError deny"]
    assert len({one.version, *(accepted(each).version for each in others)}) == 4


def test_a_policy_read_again_is_the_same():
    random = Conditions(1)
    for _ in range(200):
        policy = read_policy(f"{random.one()} then deny")
        if isinstance(policy, Policy):
            assert stored_policy(policy.text) == policy


def test_a_stored_text_may_name_a_provider_that_has_gone():
    assert stored_policy("if true then prefer gone\n").rules[0].action.provider == "gone"


def test_a_stored_text_that_is_no_policy_is_an_error():
    with pytest.raises(ValueError, match="no longer"):
        stored_policy("gone > 1 then deny")


def test_the_demo_policy_is_one():
    assert accepted(DEMO_POLICY).text == DEMO_POLICY


# ---- what is none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "code"),
    [
        ("amount >  then deny", 9, "syntax"),
        ("(amount > 1 then deny", 12, "syntax"),
        ("if then deny", 4, "syntax"),
        ("amount > 1", 11, "syntax"),
        ("  amount > 1 true then deny", 14, "syntax"),
        ("region = 'EU' then deny", 8, "syntax"),
        ("region == 'EU then deny", 11, "syntax"),
        (r"region == 'a\x41' then deny", 11, "syntax"),
        ("amount > 1 then refuse", 17, "syntax"),
        ("amount > 1 then denyAll", 17, "syntax"),
        ("amount > 1 then deny onError", 22, "syntax"),
        ("amount > 1 then deny onError refuse", 30, "syntax"),
        ("amount > 1 then deny onError allow allow", 36, "syntax"),
        ("amount > 1 then prefer", 17, "syntax"),
        ("amount > 1 then prefer charlie", 24, "unknown-provider"),
        ("if country == 'FR' then deny", 4, "unknown-name"),
        ("amount > 1 and amount < 5 then deny", 12, "unknown-name"),
        ("fraudScore > 1 then deny", 12, "type"),
        ("amount then deny", 1, "type"),
        ("'é' < 'z' && region > 1 then deny", 21, "type"),
        ("double(region) > 1.0 then deny", 7, "type"),
        ("region.startsWith('a', 'b') then deny", 18, "type"),
        ("region.unit == 'a' then deny", 7, "type"),
        ("amount > 9223372036854775808 then deny", 10, "type"),
        ("(" * 40 + "true" + ")" * 40 + " then deny", 1, "too-deep"),
        ("amount" + " + 1" * 60 + " > 1 then deny", 1, "too-deep"),
    ],
)
def test_a_mistake_is_found_with_its_place(text: str, column: int, code: str):
    (found,) = mistakes(f"# a comment\n{text}")
    assert (found.line, found.column, found.code) == (2, column, code)


@pytest.mark.parametrize(
    "condition",
    [
        "[1].exists(x, x > 0)",
        "[1] == [1]",
        "amount in []",
        "amount in [1, 1.0]",
        "amount in [1 - 2]",
        "amount in [[1]]",
        "amount in region",
        "{'a': 1}.a == 1",
        "has(amount.x)",
        "region.matches('^E')",
        "size(region) > 1",
        "region + region == 'EUEU'",
        "amount > 1u",
        "amount > 0x10",
        "amount > 007",
        "fraudScore > .8",
        "fraudScore > 1e3",
        "fraudScore / 2.0 > 0.1",
        "fraudScore % 2.0 > 0.1",
        "-amount < 0",
        "amount > 0 - -unit",
        "amount > 0 amount",
        "'a' 'b' == 'a'",
        "!!true",
        "b'a' == b'a'",
        "r'a' == 'a'",
        "'''a''' == 'a'",
        "'a\tb' == region",
        "null == null",
        "int == int",
        "type(1) == int",
        "dyn(1) == 1",
        "string(amount) == '1'",
        "timestamp('2026-01-01T00:00:00Z') > timestamp('2025-01-01T00:00:00Z')",
        "true ? true : false",
        "true > false",
        "double > 1.0",
        "startsWith('EU')",
        "amount * 1 * 1 * 1 * 1 * 1 * 1 * 1 * 1 * 1 > 0",
    ],
)
def test_what_libraries_read_differently_or_what_may_grow_is_not_in_the_language(condition: str):
    assert len(mistakes(f"{condition} then deny")) == 1


def test_a_number_of_the_wrong_kind_is_explained():
    (found,) = mistakes("fraudScore > 1 then deny")
    assert "write 1.0 beside a double" in found.message


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("amount > 1 then deny\n amount>1 then allow", 2, "contradiction"),
        ("amount > 1 then deny\n amount > 1 then deny onError allow", 2, "contradiction"),
        ("amount > 1 then deny\n\n amount > 1 then deny", 3, "repeated"),
        ("true then allow\n amount > 1 then deny", 2, "unreachable"),
    ],
)
def test_a_rule_that_can_never_decide_is_a_mistake(text: str, line: int, code: str):
    (found,) = mistakes(text)
    assert (found.line, found.column, found.code) == (line, 2, code)


def test_all_mistakes_are_found_at_once():
    found = mistakes("amount then deny\ntrue then refuse\nunit == 1 then deny\nfoo then deny")
    assert [each.line for each in found] == [1, 2, 4]


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("#" * (MAX_TEXT + 1), (1, 1), "too-long"),
        ("\n" + "#" * (MAX_LINE + 1), (2, 1), "too-long"),
        ("||".join(["unit<1"] * 60) + " then deny", (1, 1), "too-long"),
        (
            "\n".join(f"amount == {n} then deny" for n in range(MAX_RULES + 1)),
            (MAX_RULES + 1, 1),
            "too-long",
        ),
        ("true then\x00 deny", (1, 10), "not-text"),
        ("# \ud800", (1, 3), "not-text"),
        ("true\u2028then deny", (1, 5), "not-text"),
    ],
)
def test_a_text_has_bounds(text: str, place: tuple[int, int], code: str):
    (found,) = mistakes(text)
    assert ((found.line, found.column), found.code) == (place, code)


PIECES = [
    "if", "then", "deny", "prefer", "alfa", "onError", "allowRetry", "=", "false", "==", "amount",
    "in", "[", "]", "(", ")", "!", "-", "'", '"', "1", "0.5", ".", ",", "#", "&&", "*", "\\", "é",
    "region", "fraudScore", ">", "true", "startsWith", "double", "\n",
]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map(" ".join))
def test_any_text_is_a_policy_or_has_mistakes_within_it(text: str):
    found = read_policy(text)
    if isinstance(found, Policy):
        return
    lines = text.split("\n")
    for each in found:
        assert 1 <= each.line <= len(lines)
        assert 1 <= each.column <= len(lines[each.line - 1]) + 1
        assert each.message
