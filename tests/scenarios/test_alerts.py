"""The platform's own alerts fire by the rules that Prometheus has."""

from datetime import timedelta

from msgspec.structs import replace

from prometheus.alerts import GROUPS
from scenarios.alerts import ALERTS, LAG_S, AlertEvaluator
from scenarios.condition_model import Alerts
from scenarios.model import seconds
from tests.scenarios.arranged import COUNTS, NOW, WELL

RULES = {alert.alert: alert for group in GROUPS for alert in group.rules}


def test_names_waits_and_the_threshold_are_those_of_prometheus():
    for alert in ALERTS:
        rule = RULES[alert.name]
        assert alert.wait_s == (seconds(rule.wait) if rule.wait else 0.0)
    assert f"> {LAG_S:.0f}" in RULES["ReconcilerLag"].expr


def test_an_act_can_ask_for_each_of_them():
    assert set(Alerts.__struct_fields__) == {alert.name for alert in ALERTS}


def test_a_red_light_fires_at_once_and_a_silent_service_after_a_while():
    alerts = AlertEvaluator()
    red = replace(WELL, lights={"order": "red"}, services={"order": "down"})
    assert alerts.firing(red) == {"SlaLightRed"}
    later = replace(red, at=NOW + timedelta(seconds=9))
    assert alerts.firing(later) == {"SlaLightRed"}
    assert alerts.firing(replace(red, at=NOW + timedelta(seconds=10))) == {
        "SlaLightRed",
        "ServiceDown",
    }
    assert alerts.firing(WELL) == frozenset()


def test_a_reason_that_went_away_starts_its_wait_again():
    alerts = AlertEvaluator()
    down = replace(WELL, services={"order": "down"})
    alerts.firing(down)
    alerts.firing(replace(WELL, at=NOW + timedelta(seconds=5)))
    assert alerts.firing(replace(down, at=NOW + timedelta(seconds=12))) == frozenset()


def test_a_faster_act_waits_less():
    alerts = AlertEvaluator(0.2)
    down = replace(WELL, services={"order": "down"})
    alerts.firing(down)
    assert alerts.firing(replace(down, at=NOW + timedelta(seconds=2))) == {"ServiceDown"}


def test_overdue_orders_and_a_broken_promise_fire_their_alerts():
    late = replace(WELL, counts=replace(COUNTS, overdue_s=LAG_S + 1), promises="violated")
    alerts = AlertEvaluator()
    alerts.firing(late)
    assert alerts.firing(replace(late, at=NOW + timedelta(seconds=15))) == {
        "ReconcilerLag",
        "InvariantViolated",
    }
