"""The rules do what they say: rendered from one definition, checked and unit-tested by promtool."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from fleet.run_dir import ROOT
from observatory.metrics.counter_window import NOT_BUSINESS
from observatory.sla import LIMIT_S, WINDOW_S
from observatory.sources.embedded_metrics import SCRAPE_EVERY_S
from prometheus import alerts, burn, lights, names
from prometheus.__main__ import files
from prometheus.rule import AlertingRule, RecordingRule
from prometheus.slo import BURNS, SLOS, min_requests

HOME = ROOT / "prometheus"
UNIT_TESTS = sorted((HOME / "tests").glob("*.yml"))
RULES = [
    rule
    for group in (*lights.GROUPS, *burn.GROUPS, *alerts.GROUPS)
    for rule in group.rules
]  # fmt: skip
ALERTS = {rule.alert: rule for rule in RULES if isinstance(rule, AlertingRule)}
RECORDS = {rule.record for rule in RULES if isinstance(rule, RecordingRule)}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not on PATH: the rules were not tried (it comes with Prometheus)",
)


def promtool(*words: str | Path) -> str:
    """What promtool says; it must be content."""
    done = subprocess.run(
        ["promtool", *map(str, words)], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@cache
def unit_tests() -> tuple[dict, ...]:
    return tuple(
        test for path in UNIT_TESTS for test in yaml.safe_load(path.read_text())["tests"]
    )  # fmt: skip


# ---- rendered, and tried ------------------------------------------------------------------------


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_rules_are_what_the_definition_renders(path: Path):
    assert path.read_text() == files()[path], "run python -m prometheus"


def test_no_other_rules_lie_beside_them():
    assert sorted((HOME / "rules").iterdir()) == sorted(files())


@needs_promtool
def test_promtool_accepts_the_rules():
    promtool("check", "rules", "--lint=all", "--lint-fatal", *files())


@needs_promtool
def test_promtool_accepts_the_configuration_with_its_targets(tmp_path: Path):
    shutil.copy(HOME / "prometheus.yml", tmp_path)
    shutil.copytree(HOME / "rules", tmp_path / "rules")
    shutil.copytree(HOME / "targets/compose", tmp_path / "targets")
    said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert "WARNING" not in said


@needs_promtool
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_a_rule_does_what_its_unit_test_says(path: Path):
    promtool("test", "rules", path)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_seen_to_call_and_to_keep_quiet(name: str):
    cases = [
        bool(case["exp_alerts"])
        for test in unit_tests()
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == name
    ]
    assert True in cases, f"no unit test in prometheus/tests sees {name} call"
    assert False in cases, f"no unit test in prometheus/tests sees {name} keep quiet"


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_recording_has_a_unit_test_that_expects_a_number(name: str):
    cases = [
        case
        for test in unit_tests()
        for case in test.get("promql_expr_test", ())
        if re.search(rf"{re.escape(name)}\b", case["expr"]) and case["exp_samples"]
    ]
    assert cases, f"no unit test in prometheus/tests expects a value of {name}"


# ---- what is said in two places -----------------------------------------------------------------


def test_the_light_follows_the_dashboards_rule():
    assert NOT_BUSINESS.pattern == names.NOT_BUSINESS
    assert f"{WINDOW_S:g}s" == names.WINDOW
    assert LIMIT_S == names.SLA_S


def test_prometheus_samples_as_often_as_the_dashboard():
    said = yaml.safe_load((HOME / "prometheus.yml").read_text())["global"]
    assert said["scrape_interval"] == said["evaluation_interval"] == f"{SCRAPE_EVERY_S:g}s"


def test_no_two_targets_share_an_address():
    addresses = [
        address
        for path in (HOME / "targets/compose").iterdir()
        for each in json.loads(path.read_text())
        for address in each["targets"]
    ]
    assert len(set(addresses)) == len(addresses)


# ---- what every alert must say ------------------------------------------------------------------


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_says_what_how_much_and_what_to_do(alert: AlertingRule):
    assert alert.severity in ("page", "ticket")
    assert all((alert.summary, alert.numbers, alert.spared, alert.do))
    assert re.search(r"\{\{ *\$(value|labels)", alert.numbers)
    assert alert.dashboard.startswith("/d/valerix-")


def test_no_factor_is_out_of_reach():
    """All requests bad burns 1 / budget: a factor above that could never call."""
    for each in BURNS:
        assert all(each.factor < 1 / slo.budget for slo in SLOS)


@pytest.mark.parametrize("each", BURNS, ids=lambda each: each.alert)
def test_one_bad_request_of_just_enough_does_not_call(each):
    for slo in SLOS:
        assert 1 / min_requests(each) / slo.budget <= each.factor
