"""The page, the recording rule, Grafana and the alert agree on every service."""

import pytest

from tests.stack.recorded_run import BITTEN, LightReadings, RecordedRun
from topology import LIT, NAMES

# Scrape, rule and alert each have their own beat of two seconds, and the page looks once more a
# second later.
_BEATS_S = 7.0
# OBSERVABILITY: with a deadline of two seconds an open load turns the light after about fifteen.
_RED_WITHIN_S = 30.0
# What has a light: the acquirer is outside.
_LIT = [process.name for process in LIT]


def first(looks: list[LightReadings], who: str, service: str, state: str) -> float:
    """When it was first seen saying so."""
    return next(look.at for look in looks if getattr(look, who).get(service) == state)


def test_before_the_first_order_every_light_is_grey(story: RecordedRun):
    look = story.moments["silence"]
    assert look.agreed == dict.fromkeys(_LIT, "none"), look


def test_under_load_every_light_is_green(story: RecordedRun):
    look = story.moments["load"]
    assert look.agreed == dict.fromkeys(_LIT, "good"), look


def test_a_slow_dependency_turns_two_red_and_silence_after_traffic_is_grey(story: RecordedRun):
    """Nobody gets past inventory any more, so payments have nothing to do: 0/0 is not green."""
    look = story.moments["gremlin"]
    assert look.agreed == BITTEN, look


@pytest.mark.parametrize("key", ["order", "inventory"])
def test_they_turn_red_together_and_soon(story: RecordedRun, key: str):
    since = [look for look in story.looks if look.at >= story.bitten_at]
    turned = {
        who: first(since, who, NAMES[key], "failed") - story.bitten_at
        for who in ("page", "rule", "grafana", "alert")
    }
    assert max(turned.values()) - min(turned.values()) <= _BEATS_S, turned
    assert max(turned.values()) < _RED_WITHIN_S, turned


def test_a_look_in_which_they_differ_is_at_a_turn(story: RecordedRun):
    """Between two turns of a light nobody may say something else."""
    turns = [
        after.at
        for before, after in zip(story.looks, story.looks[1:], strict=False)
        for who in ("page", "rule", "grafana", "alert")
        if getattr(before, who) != getattr(after, who)
    ]
    lost = [
        look
        for look in story.looks
        if look.agreed is None and all(abs(look.at - turn) > _BEATS_S for turn in turns)
    ]
    assert not lost, lost


def test_the_numbers_agree_as_well(story: RecordedRun):
    """Both have half a minute of two-second answers by then; the rule has reckoned with the page's
    last sample at one of the looks around it."""
    moment = story.moments["gremlin"]
    around = [look for look in story.looks if abs(look.at - moment.at) <= _BEATS_S]
    for service in (NAMES["order"], NAMES["inventory"]):
        page_s, rules_s = moment.page_s[service], [look.rule_s[service] for look in around]
        assert any(page_s == pytest.approx(rule_s, rel=0.1) for rule_s in rules_s), rules_s
