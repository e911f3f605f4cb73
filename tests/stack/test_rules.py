"""The rules are rendered from one definition, and checked and unit-tested by promtool."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from fleet.run_dir import ROOT
from observatory.sources.embedded_metrics import SCRAPE_EVERY_S
from prometheus import alerts, burn, lights
from prometheus.__main__ import files, rules_files
from prometheus.rule import AlertingRule, RecordingRule
from prometheus.slo import BURNS, SLOS, min_requests
from tests.tidy.files import complain

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


def promtool(*arguments: str | Path) -> str:
    """The output of promtool, which must accept everything."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


@cache
def unit_tests() -> tuple[dict, ...]:
    return tuple(
        test for path in UNIT_TESTS for test in yaml.safe_load(path.read_text())["tests"]
    )  # fmt: skip


# ---- rendered, and tried ------------------------------------------------------------------------


def test_every_file_is_what_its_definition_renders():
    stale = [path.name for path, text in files().items() if path.read_text() != text]
    complain(stale, "run `make render`")


def test_no_other_rules_lie_beside_them():
    assert sorted((HOME / "rules").iterdir()) == sorted(rules_files())


@needs_promtool
def test_promtool_accepts_the_rules():
    promtool("check", "rules", "--lint=all", "--lint-fatal", *rules_files())


@needs_promtool
def test_promtool_accepts_the_configuration_with_its_targets(tmp_path: Path):
    shutil.copy(HOME / "prometheus.yml", tmp_path)
    shutil.copytree(HOME / "rules", tmp_path / "rules")
    shutil.copytree(HOME / "targets/compose", tmp_path / "targets")
    output = promtool("check", "config", tmp_path / "prometheus.yml")
    assert "WARNING" not in output


@needs_promtool
@pytest.mark.long
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_a_rule_does_what_its_unit_test_says(path: Path):
    promtool("test", "rules", path)


def test_every_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not():
    seen = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in unit_tests()
        for case in test.get("alert_rule_test", ())
    }
    wanted = {(name, fires) for name in ALERTS for fires in (True, False)}
    complain(
        [f"{name} {'fires' if fires else 'is silent'}" for name, fires in sorted(wanted - seen)],
        "no unit test in prometheus/tests expects it",
    )


def test_every_recording_has_a_unit_test_that_expects_a_number():
    expected = [
        case["expr"]
        for test in unit_tests()
        for case in test.get("promql_expr_test", ())
        if case["exp_samples"]
    ]
    complain(
        [
            name
            for name in sorted(RECORDS)
            if not any(re.search(rf"{re.escape(name)}\b", expr) for expr in expected)
        ],
        "no unit test in prometheus/tests expects a value of it",
    )


# ---- what is written twice -----------------------------------------------------------------------


def test_prometheus_samples_as_often_as_the_dashboard():
    configured = yaml.safe_load((HOME / "prometheus.yml").read_text())["global"]
    every = f"{SCRAPE_EVERY_S:g}s"
    assert configured["scrape_interval"] == configured["evaluation_interval"] == every


def test_no_two_targets_share_a_page():
    addresses = [
        address + each["labels"].get("__metrics_path__", "/metrics")
        for path in (HOME / "targets/compose").iterdir()
        for each in json.loads(path.read_text())
        for address in each["targets"]
    ]
    assert len(set(addresses)) == len(addresses)


# ---- what every alert must say ------------------------------------------------------------------


def test_an_alert_says_what_how_much_and_what_to_do():
    for alert in ALERTS.values():
        assert alert.severity in ("page", "ticket"), alert
        assert all((alert.summary, alert.numbers, alert.not_affected, alert.action)), alert
        assert re.search(r"\{\{ *\$(value|labels)", alert.numbers), alert
        assert alert.dashboard.startswith("/d/valerix-"), alert


def test_no_factor_is_out_of_reach():
    """If all requests fail, the burn rate is 1 / budget: no factor may be higher."""
    for each in BURNS:
        assert all(each.factor < 1 / slo.budget for slo in SLOS)


def test_one_bad_request_of_just_enough_does_not_fire_an_alert():
    for each in BURNS:
        for slo in SLOS:
            assert 1 / min_requests(each) / slo.budget <= each.factor, (each, slo)
