"""The queries of the dashboards, and the metric names in a query, without a PromQL parser."""

import json
import re
from collections.abc import Iterator

import yaml
from msgspec import Struct

from fleet.run_dir import ROOT

FOLDER = ROOT / "grafana" / "dashboards"
DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
}
DATASOURCES = {
    source["uid"]: source
    for source in yaml.safe_load(
        (ROOT / "grafana/provisioning/datasources/valerix.yml").read_text(encoding="utf-8")
    )["datasources"]
}
_KEYWORDS = frozenset(
    {"and", "or", "unless", "bool", "offset", "NaN", "Inf", "by", "on", "without", "ignoring"}
)


class PromQuery(Struct, frozen=True):
    """One PromQL expression and where it is used; `exemplar` and `instant` as Grafana sends it."""

    where: str
    expr: str
    exemplar: bool = False
    instant: bool = False

    def __str__(self) -> str:
        return self.where


def panels(name: str) -> list[dict]:
    return DASHBOARDS[name]["panels"]


def prom_queries() -> Iterator[PromQuery]:
    """Every PromQL expression that Grafana sends: from panels, annotations and spans."""
    for name, whole in DASHBOARDS.items():
        for panel in whole["panels"]:
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    yield PromQuery(
                        f"{name}/{panel['title']}/{target['refId']}",
                        target["expr"],
                        target.get("exemplar", False),
                        target.get("instant", False),
                    )
        for annotation in whole["annotations"]["list"]:
            if annotation["datasource"]["type"] == "prometheus":
                yield PromQuery(
                    f"{name}/annotation {annotation['name']}", annotation["target"]["expr"]
                )
    for query in DATASOURCES["jaeger"]["jsonData"]["tracesToMetrics"]["queries"]:
        yield PromQuery(f"a span's {query['name']}", query["query"].replace("$$", "$"))


def other_queries() -> Iterator[tuple[str, str]]:
    """Every query that Grafana sends to Loki or Jaeger, with where it is used."""
    for name, whole in DASHBOARDS.items():
        for panel in whole["panels"]:
            for target in panel["targets"]:
                if target["datasource"]["type"] != "prometheus":
                    yield f"{name}/{panel['title']}", target.get("expr", "")
        for annotation in whole["annotations"]["list"]:
            if annotation["datasource"]["type"] != "prometheus":
                formats = f"{annotation['titleFormat']} {annotation['textFormat']}"
                yield f"{name}/annotation {annotation['name']}", f"{annotation['expr']} {formats}"
    jaeger = DATASOURCES["jaeger"]["jsonData"]
    yield "a span's log lines", jaeger["tracesToLogsV2"]["query"]


def with_variables(expr: str, *, service: str = "order-service") -> str:
    """The expression with Grafana's variables as they are at a two-second interval."""
    filled = (
        expr.replace("$__rate_interval", "8s")
        .replace("$__range", "15m")
        .replace("$__tags", 'path="/orders",method="POST"')
        .replace("$service", service)
    )
    # What is left may only be a group in a label_replace.
    assert not re.search(r"\$(?!\d\b)\w|\$\{", filled), filled
    return filled


def metric_names(expr: str) -> set[str]:
    """Every metric an expression names."""
    bare = re.sub(r'"(\\.|[^"\\])*"', '""', expr)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    found = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])", bare)
    return set(found) - _KEYWORDS
