"""The kinds of query that a panel sends to its data source."""

from grafana_foundation_sdk.builders import loki, prometheus
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import prometheus as prometheus_models
from grafana_foundation_sdk.models.common import DataSourceRef

PROMETHEUS = DataSourceRef("prometheus", "prometheus")
LOKI = DataSourceRef("loki", "loki")
JAEGER = DataSourceRef("jaeger", "jaeger")

Target = cogbuilder.Builder[variants.Dataquery]
_FORMATS = prometheus_models.PromQueryFormat


def over_time(
    expr: str, legend: str, ref: str = "A", *, exemplars: bool = False
) -> prometheus.Dataquery:
    """Lines over the dashboard's time range; `exemplars` adds the traces behind them."""
    query = _promql(expr, ref).range().legend_format(legend)
    return query.exemplar(True) if exemplars else query


def instant(expr: str, legend: str, ref: str = "A") -> prometheus.Dataquery:
    """One value per series, at this moment."""
    return _promql(expr, ref).instant().legend_format(legend)


def instant_rows(expr: str) -> prometheus.Dataquery:
    """One row per series, its labels as columns."""
    return _promql(expr, "A").instant().format(_FORMATS.TABLE)


def histogram_buckets(expr: str) -> prometheus.Dataquery:
    """A histogram's buckets over time, with the traces behind them."""
    query = _promql(expr, "A").range().legend_format("{{le}}")
    return query.format(_FORMATS.HEATMAP).exemplar(True)


def last_label(expr: str, name: str, *labels: str) -> str:
    """The expression with a label `name`: the value of the last of `labels` that is not empty."""
    for label in labels:
        expr = f'label_replace({expr}, "{name}", "$1", "{label}", "(.+)")'
    return expr


def _promql(expr: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expr).ref_id(ref)


def log_lines(expr: str) -> loki.Dataquery:
    """Log lines, the newest first."""
    return (
        loki.Dataquery()
        .datasource(LOKI)
        .expr(expr)
        .query_type("range")
        .max_lines(200)
        .ref_id("A")
    )  # fmt: skip


class TraceSearch(variants.Dataquery):
    """Jaeger's search, for which the SDK has no class of its own."""

    def __init__(self, service: str, limit: int) -> None:
        self.service, self.limit = service, limit

    def to_json(self) -> dict[str, object]:
        """The format of the Jaeger data source."""
        return {
            "datasource": JAEGER,
            "queryType": "search",
            "service": self.service,
            "limit": self.limit,
            "refId": "A",
        }


class recent_traces(cogbuilder.Builder[variants.Dataquery]):  # noqa: N801 - named like the functions beside it
    """Recent traces of a service."""

    def __init__(self, service: str, limit: int = 20) -> None:
        self._search = TraceSearch(service, limit)

    def build(self) -> variants.Dataquery:
        """The query."""
        return self._search
