"""Every question a dashboard or a rule asks is answered by the running shop."""

import json
import re

import httpx
import pytest

from prometheus import alerts, burn, lights
from prometheus.rule import Alert, Record
from tests.harness.running import RunningFleet
from tests.stack.prometheus_server import PrometheusServer, numbers
from tests.stack.promql import (
    DASHBOARDS,
    Question,
    asked_as,
    asked_elsewhere,
    metric_names,
    questions,
)
from tests.stack.recorded_run import RecordedRun

Watched = tuple[RunningFleet, PrometheusServer]

RULES = [
    rule for group in (*lights.GROUPS, *burn.GROUPS, *alerts.GROUPS) for rule in group.rules
]  # fmt: skip
QUESTIONS = list(questions())
SERVICES = ("order-service", "inventory-service", "payment-service", "dashboard")
# Where an empty answer is the right one, and why. Nothing else may be empty.
EMPTY = {
    ("service/Database pool/A", "dashboard"): "its few connections are no pool of the chassis",
}


# Asked of Loki or Jaeger, which do not run here: only the names in these questions are compared,
# with the lines that the services wrote.
ELSEWHERE = {
    "stage/Errors in the log": "Loki",
    "service/Log": "Loki",
    "service/Recent traces": "Jaeger",
    "a span's log lines": "Loki",
    **{f"{name}/annotation Gremlin log": "Loki" for name in DASHBOARDS},
}
# What OTLP makes of a line's own fields; Loki writes dots as underscores.
_OF_OTLP = {"service_name", "severity_text", "trace_id"}


def asked() -> list[tuple[Question, str]]:
    """Each question once, or once for each service if it has the variable."""
    return [
        (question, service)
        for question in QUESTIONS
        for service in (SERVICES if "$service" in question.expr else SERVICES[:1])
    ]


def name_of(pair: tuple[Question, str]) -> str:
    question, service = pair
    return f"{question.where} of {service}" if "$service" in question.expr else question.where


@pytest.mark.parametrize("pair", asked(), ids=name_of)
def test_a_dashboards_question_is_answered(
    story: RecordedRun, watched: Watched, pair: tuple[Question, str]
):
    question, service = pair
    expr = asked_as(question.expr, service=service)
    _, prometheus = watched
    if question.instant:
        found = prometheus.instant(expr, at=story.ended)
    else:
        found = prometheus.over(expr, story.began, story.ended)
    if (question.where, service) in EMPTY:
        assert not numbers(found), "it has an answer now: take it out of EMPTY"
    else:
        assert numbers(found), f"no data: {expr}"


def test_what_may_be_empty_is_asked_at_all():
    assert set(EMPTY) <= {(question.where, service) for question, service in asked()}


@pytest.mark.parametrize("outcome", ["confirmed", "degraded", "declined", "out_of_stock", "failed"])
def test_the_story_had_every_outcome(story: RecordedRun, watched: Watched, outcome: str):
    _, prometheus = watched
    (count,) = numbers(prometheus.instant(f'valerix_orders_total{{outcome="{outcome}"}}'))
    assert count > 0


@pytest.mark.parametrize("kind", ["latency", "error"])
def test_the_gremlins_of_the_story_bit(story: RecordedRun, watched: Watched, kind: str):
    _, prometheus = watched
    (count,) = numbers(prometheus.instant(f'valerix_gremlin_bites_total{{kind="{kind}"}}'))
    assert count > 0


def test_what_is_asked_of_others_is_known():
    assert {where for where, _ in asked_elsewhere()} == set(ELSEWHERE)


@pytest.mark.parametrize(("where", "query"), list(asked_elsewhere()))
def test_a_question_about_the_log_names_what_lines_have(
    story: RecordedRun, watched: Watched, where: str, query: str
):
    fleet, _ = watched
    written = [
        json.loads(line)
        for key in ("order", "inventory")
        for line in fleet.log(key).splitlines()
        if line.startswith("{")
    ]
    wanted = set(re.findall(r"(\w+)=~?\"", query)) | set(re.findall(r"\{\{(\w+)\}\}", query))
    assert wanted or ELSEWHERE[where] == "Jaeger"
    assert wanted <= _OF_OTLP | {field for line in written for field in line}
    for pattern in re.findall(r'\|~ "([^"]+)"', query):
        assert any(re.search(pattern, line["message"]) for line in written), pattern


@pytest.mark.parametrize("service", SERVICES)
def test_the_choice_of_services_is_the_shop(watched: Watched, story: RecordedRun, service: str):
    _, prometheus = watched
    assert service in prometheus.values("service", 'up{job="shop"}')


@pytest.mark.parametrize(
    "rule", [r for r in RULES if isinstance(r, Record)],
    ids=lambda rule: f"{rule.record}{rule.labels or ''}",
)  # fmt: skip
def test_a_recording_has_recorded(story: RecordedRun, watched: Watched, rule: Record):
    _, prometheus = watched
    where = ",".join(f'{name}="{value}"' for name, value in rule.labels.items())
    found = prometheus.over(f"{rule.record}{{{where}}}", story.began, story.ended)
    assert numbers(found), rule.expr


def before_thresholds(expr: str) -> list[str]:
    """The left side of each comparison of an alert."""
    sides = [re.split(r" (?:==|>=|>|<) ", line)[0] for line in expr.splitlines()]
    return [side.removeprefix("and ") for side in sides]


@pytest.mark.parametrize(
    "rule", [r for r in RULES if isinstance(r, Alert)], ids=lambda rule: rule.alert
)
def test_an_alert_has_something_to_compare(story: RecordedRun, watched: Watched, rule: Alert):
    _, prometheus = watched
    for side in before_thresholds(rule.expr):
        assert side != rule.expr
        assert numbers(prometheus.over(side, story.began, story.ended)), side


def test_no_rule_failed(story: RecordedRun, watched: Watched):
    _, prometheus = watched
    assert prometheus.unhealthy_rules() == []


@pytest.mark.parametrize(
    ("where", "expr"),
    [(q.where, q.expr) for q in QUESTIONS]
    + [(getattr(r, "record", "") or r.alert, r.expr) for r in RULES],
)
def test_every_metric_that_is_named_is_emitted(
    story: RecordedRun, watched: Watched, where: str, expr: str
):
    """An `or` may hide a name that nothing emits behind an answer."""
    _, prometheus = watched
    names = metric_names(expr)
    assert names or expr.startswith("vector("), "a question without a metric"
    assert names <= prometheus.names()


# The dashboard's own work is not traced: looking at the shop is no part of its story.
WITH_DOTS = [pair for pair in asked() if pair[0].exemplar and pair[1] != "dashboard"]


@pytest.mark.parametrize("pair", WITH_DOTS, ids=name_of)
def test_a_dot_leads_to_a_trace_that_is_there(
    story: RecordedRun, watched: Watched, pair: tuple[Question, str]
):
    question, service = pair
    fleet, prometheus = watched
    expr = asked_as(question.expr, service=service)
    found = prometheus.exemplars(expr, story.began, story.ended)
    traces = {exemplar["labels"]["trace_id"] for exemplar in found}
    assert traces, expr
    for trace_id in sorted(traces)[:5]:
        page = httpx.get(f"{fleet.url('dashboard')}/traces/{trace_id}", timeout=20)
        assert page.status_code == 200
        assert '<li id="span-' in page.text, f"no span of {trace_id}"
