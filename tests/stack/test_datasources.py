"""Queries follow the agreed rules, and the data sources link to each other."""

import re

import yaml

from fleet.run_dir import ROOT
from prometheus.names import AVERAGE
from tests.stack.promql import DATASOURCES, metric_names, panels, prom_queries


def test_the_metric_names_in_a_query_are_found():
    expr = """sum by (a, b) (rate(foo_total{c="d e", f!~"g|h"}[5m] offset 1h))
        > on (i) group_left () max(slo:bar:rate5m) * NaN or vector(0) unless absent(up)"""
    assert metric_names(expr) == {"foo_total", "slo:bar:rate5m", "up"}


def test_the_window_of_the_sla_is_in_the_rules_and_nowhere_else():
    """Charts use the window that fits their zoom; the lights read what the rule recorded."""
    for query in prom_queries():
        windows = set(re.findall(r"\[([^\]]+)\]", query.expr))
        assert windows <= {"$__rate_interval", "$__range"}, query
    lights = panels("live_demo")[0]
    assert AVERAGE in metric_names(lights["targets"][0]["expr"])


def test_grafana_expects_samples_as_often_as_prometheus_scrapes():
    configured = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())["global"]
    assert DATASOURCES["prometheus"]["jsonData"]["timeInterval"] == configured["scrape_interval"]


def test_every_address_comes_from_the_environment():
    text = (ROOT / "grafana/provisioning/datasources/valerix.yml").read_text()
    assert "http://" not in text
    assert {source["url"] for source in DATASOURCES.values()} == {
        "$PROMETHEUS_URL",
        "$LOKI_URL",
        "$JAEGER_URL",
    }
    # Grafana would read a single dollar before a brace as a variable of its environment.
    assert not re.search(r"(?<!\$)\$\{", text)
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/valerix.yml").read_text())
    (folder,) = provider["providers"]
    assert folder["options"]["path"] == "$GRAFANA_DASHBOARDS"
    assert folder["allowUiUpdates"] is False


def test_exemplars_log_lines_and_spans_link_to_each_other():
    dots = DATASOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert {dot["name"] for dot in dots} == {"trace_id"}
    assert "jaeger" in {dot.get("datasourceUid") for dot in dots}
    for field in DATASOURCES["loki"]["jsonData"]["derivedFields"]:
        assert (field["matcherType"], field["matcherRegex"]) == ("label", "trace_id")
    jaeger = DATASOURCES["jaeger"]["jsonData"]
    assert jaeger["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert 'trace_id="$${__trace.traceId}"' in jaeger["tracesToLogsV2"]["query"]
    assert jaeger["tracesToMetrics"]["datasourceUid"] == "prometheus"
