"""A condition holds only on what is known, and every part of it says how it stands."""

from msgspec import convert
from msgspec.structs import replace

from proof import invariants
from proof.evaluate import Report
from proof.finding import Finding
from scenarios.condition_model import Condition
from scenarios.conditions import Observation, checks, fits, holds, unmet
from scenarios.observer import those_in_question
from tests.scenarios.arranged import NOW, WELL


def condition(**parts: object) -> Condition:
    return convert(parts, Condition)


TRUE = [
    {"lights": {"order": "green", "payment": "grey"}},
    {"services": {"inventory": "healthy"}},
    {"orders": {"placed": 9, "open": "> 1", "confirmed": "<= 7"}},
    {"stock": {"product": "PROD-001", "left": 3, "reserved": "< 3", "sold": ">= 25"}},
    {"money_in_doubt": "> 0"},
    {"alerts": {"SlaLightRed": "quiet"}},
    {"promises": "hold"},
    {"promises": "unbroken"},
    {"payments": {"made": 5, "open": "> 0", "in_part": 0}},
    {"legs": {"held": 1, "captured": ">= 8"}},
    {"twin": {"charged_twice": ">= 4", "units_leaked": 2}},
    {"told": {"accepted": 0}},
    {"payers": {"paid": 0}},
    {"spenders": {"paid": 0}},
    {"tokens": {"bad_token": 0}},
    {"wallet": {"user": "hot", "available": 0, "held": 0, "paid": "> 49"}},
]
FALSE = [
    {"lights": {"order": "green", "payment": "green"}},
    {"services": {"inventory": "down"}},
    {"orders": {"placed": 9, "open": "> 2"}},
    {"stock": {"product": "PROD-002", "left": 0}},
    {"money_in_doubt": 0},
    {"alerts": {"SlaLightRed": "firing"}},
    {"told": {"accepted": "> 0"}},
    {"payments": {"open": 0}},
    {"legs": {"held": 0}},
    {"payers": {"paid": "> 0"}},
    {"spenders": {"no_money": "> 0"}},
    {"tokens": {"let_in": "> 0"}},
    {"audit": {"logins_revoked": 0}},
    {"wallet": {"user": "hot", "available": "> 0"}},
    {"wallet": {"user": "cold", "available": 0}},
    {"twin": {"charged_twice": 0}},
    {"bites": 0},
]


def test_a_condition_holds_when_all_of_it_is_so():
    assert [parts for parts in TRUE if not holds(checks(condition(**parts), WELL))] == []
    assert [parts for parts in FALSE if holds(checks(condition(**parts), WELL))] == []


def test_nothing_holds_on_what_is_not_known():
    for parts in TRUE:
        if parts.keys() & {"alerts", "told", "payers", "spenders", "tokens"}:
            continue
        found = checks(condition(**parts), Observation(NOW))
        assert not holds(found), parts
        assert {check.now for check in found} == {"unknown"}, parts


def test_work_that_settles_breaks_no_promise_but_keeps_none_yet():
    settling = replace(WELL, promises="settling")
    assert holds(checks(condition(promises="unbroken"), settling))
    assert not holds(checks(condition(promises="hold"), settling))
    assert not holds(checks(condition(promises="unbroken"), replace(WELL, promises="violated")))


def test_what_is_violated_is_named():
    one, *others = invariants()
    found = (Finding(one, "violated"), *(Finding(each, "holds") for each in others))
    which = those_in_question(Report(NOW, "violated", found))
    unbroken = checks(
        condition(promises="unbroken"), replace(WELL, promises="violated", which=which)
    )
    assert unmet(unbroken) == f"no promise is broken (now: violated: {one.id} {one.title})"
    assert those_in_question(Report(NOW, "holds", found[1:])) == ()


def test_each_check_has_what_is_wanted_and_what_is():
    found = checks(condition(lights={"order": "red"}, orders={"open": ">= 3"}), WELL)
    assert [(each.wanted, each.now, each.holds) for each in found] == [
        ("the light of orders is red", "green", False),
        ("at least 3 orders not decided yet", "2", False),
    ]


def test_counts_are_compared():
    cases = [
        (3, 3, True), (3, 4, False), ("> 3", 3, False), (">= 3", 3, True), ("<3", 3, False),
        ("<= 3", 3, True), ("> 3", None, False), (0, None, False),
    ]  # fmt: skip
    assert [case for case in cases if fits(case[0], case[1]) is not case[2]] == []
