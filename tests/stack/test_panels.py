"""Every query of a dashboard or a rule has a result in the running shop."""

import json
import re

import httpx

from prometheus import alerts, burn, lights
from prometheus.rule import AlertingRule, RecordingRule
from tests.harness.running import RunningFleet
from tests.stack.prometheus_server import PrometheusServer, numbers
from tests.stack.promql import (
    DASHBOARDS,
    PromQuery,
    metric_names,
    other_queries,
    prom_queries,
    with_variables,
)
from tests.stack.recorded_run import RecordedRun
from tests.tidy.files import complain
from topology import PROCESSES

Watched = tuple[RunningFleet, PrometheusServer]

RULES = [
    rule for group in (*lights.GROUPS, *burn.GROUPS, *alerts.GROUPS) for rule in group.rules
]  # fmt: skip
QUERIES = list(prom_queries())
PROCESS_NAMES = tuple(process.name for process in PROCESSES)
# Queries that rightly have no data, and why.
EMPTY = {
    ("service/Database pool/A", "dashboard"): "its few connections are not a pool of the chassis",
    ("service/Database pool/A", "gateway-service"): "it has no database",
    ("events/RabbitMQ's queues/A", PROCESS_NAMES[0]): "no broker runs here",
}
# It has no address that anybody asks, so it has no requests to show.
NOT_ASKED = "metrics-consumer"
_OF_REQUESTS = ("http_requests_total", "http_request_duration_seconds_bucket")
# What a broker's own plugin emits; there is none here.
_OF_RABBITMQ = ("rabbitmq_",)


# Asked of Loki or Jaeger, which do not run here: only the names in these queries are compared,
# with the lines that the services wrote.
ELSEWHERE = {
    "live_demo/Errors in the log": "Loki",
    "service/Log": "Loki",
    "service/Recent traces": "Jaeger",
    "a span's log lines": "Loki",
    **{f"{name}/annotation Gremlin log": "Loki" for name in DASHBOARDS},
}
# Fields that OTLP gives a line; Loki writes dots as underscores.
_OF_OTLP = {"service_name", "severity_text", "trace_id"}


def _is_of_requests(query: PromQuery) -> bool:
    return "$service" in query.expr and any(name in query.expr for name in _OF_REQUESTS)


def cases() -> list[tuple[PromQuery, str]]:
    """Each query once, or once per process if it has the variable."""
    return [
        (query, service)
        for query in QUERIES
        for service in (PROCESS_NAMES if "$service" in query.expr else PROCESS_NAMES[:1])
    ]


def label_of(query: PromQuery, service: str) -> str:
    return f"{query.where} of {service}" if "$service" in query.expr else query.where


def test_every_query_of_a_dashboard_has_a_result(story: RecordedRun, watched: Watched):
    _, prometheus = watched
    missing, found_now = [], []
    for query, service in cases():
        expr = with_variables(query.expr, service=service)
        if query.instant:
            series = prometheus.instant(expr, at=story.ended)
        else:
            series = prometheus.over(expr, story.began, story.ended)
        if (query.where, service) in EMPTY or (service == NOT_ASKED and _is_of_requests(query)):
            found_now += [label_of(query, service)] if numbers(series) else []
        elif not numbers(series):
            missing.append(f"{label_of(query, service)}: {expr}")
    complain(missing, "these queries have no data")
    complain(found_now, "these have data now: take them out of EMPTY")


def test_every_query_in_empty_exists():
    assert set(EMPTY) <= {(query.where, service) for query, service in cases()}


def test_the_run_had_every_outcome_and_both_gremlins(story: RecordedRun, watched: Watched):
    _, prometheus = watched
    for outcome in ("confirmed", "degraded", "declined", "out_of_stock", "failed"):
        (count,) = numbers(prometheus.instant(f'valerix_orders_total{{outcome="{outcome}"}}'))
        assert count > 0, outcome
    for kind in ("latency", "error"):
        (count,) = numbers(prometheus.instant(f'valerix_gremlin_bites_total{{kind="{kind}"}}'))
        assert count > 0, kind


def test_queries_to_other_sources_are_known():
    assert {where for where, _ in other_queries()} == set(ELSEWHERE)


def test_a_query_of_logs_names_fields_that_lines_have(story: RecordedRun, watched: Watched):
    fleet, _ = watched
    written = [
        json.loads(line)
        for key in ("order", "inventory")
        for line in fleet.log(key).splitlines()
        if line.startswith("{")
    ]
    fields = _OF_OTLP | {field for line in written for field in line}
    for where, query in other_queries():
        wanted = set(re.findall(r"(\w+)=~?\"", query)) | set(re.findall(r"\{\{(\w+)\}\}", query))
        assert wanted or ELSEWHERE[where] == "Jaeger", where
        assert wanted <= fields, where
        for pattern in re.findall(r'\|~ "([^"]+)"', query):
            assert any(re.search(pattern, line["message"]) for line in written), pattern


def test_the_variable_offers_every_process(watched: Watched, story: RecordedRun):
    _, prometheus = watched
    assert set(PROCESS_NAMES) <= set(prometheus.values("service", 'up{job="shop"}'))


def test_every_recording_rule_has_recorded(story: RecordedRun, watched: Watched):
    _, prometheus = watched
    missing = []
    for rule in RULES:
        if isinstance(rule, RecordingRule):
            where = ",".join(f'{name}="{value}"' for name, value in rule.labels.items())
            found = prometheus.over(f"{rule.record}{{{where}}}", story.began, story.ended)
            missing += [] if numbers(found) else [f"{rule.record}: {rule.expr}"]
    complain(missing, "these recording rules have no data")


def before_thresholds(expr: str) -> list[str]:
    """The left side of each comparison of an alert."""
    lines = [line for line in expr.splitlines() if not line.startswith("or on ")]
    sides = [re.split(r" (?:==|>=|>|<) ", line)[0] for line in lines]
    return [side.removeprefix("and ").removeprefix("label_replace(") for side in sides]


def test_every_alert_has_something_to_compare(story: RecordedRun, watched: Watched):
    _, prometheus = watched
    missing = []
    for rule in RULES:
        if isinstance(rule, AlertingRule):
            for side in before_thresholds(rule.expr):
                assert side != rule.expr
                found = prometheus.over(side, story.began, story.ended)
                missing += [] if numbers(found) else [f"{rule.alert}: {side}"]
    complain(missing, "these sides of a comparison have no data")


def test_no_rule_failed(story: RecordedRun, watched: Watched):
    _, prometheus = watched
    assert prometheus.unhealthy_rules() == []


def test_every_metric_in_a_query_is_emitted(story: RecordedRun, watched: Watched):
    """An `or` can hide a metric that nothing emits behind a result."""
    _, prometheus = watched
    emitted = prometheus.names()
    used = [(query.where, query.expr) for query in QUERIES]
    used += [(getattr(rule, "record", "") or rule.alert, rule.expr) for rule in RULES]
    for where, expr in used:
        names = metric_names(expr)
        assert names or expr.startswith("vector("), f"{where}: a query without a metric"
        ours = {name for name in names if not name.startswith(_OF_RABBITMQ)}
        assert ours <= emitted, where


# The dashboard's own work is not traced.
_WITHOUT = ("dashboard", NOT_ASKED)
WITH_EXEMPLARS = [pair for pair in cases() if pair[0].exemplar and pair[1] not in _WITHOUT]


def test_every_exemplar_leads_to_a_trace_that_exists(story: RecordedRun, watched: Watched):
    fleet, prometheus = watched
    for query, service in WITH_EXEMPLARS:
        expr = with_variables(query.expr, service=service)
        found = prometheus.exemplars(expr, story.began, story.ended)
        traces = {exemplar["labels"]["trace_id"] for exemplar in found}
        assert traces, expr
        for trace_id in sorted(traces)[:5]:
            page = httpx.get(f"{fleet.url('dashboard')}/traces/{trace_id}", timeout=20)
            assert page.status_code == 200
            assert '<li id="span-' in page.text, f"no span of {trace_id} in {expr}"
