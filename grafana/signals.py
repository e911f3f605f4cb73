"""Queries and colours that several dashboards share: failures, quantiles, outcomes."""

from grafana import panels
from grafana.palette import DEGRADED, FAILED, GOOD, NONE, REFUSED, SERVICES
from grafana.panels import Panel, PanelHead
from grafana.queries import over_time
from grafana.style import Link
from prometheus.names import BUSINESS, FAILURE, SLA_S
from topology import NAMES

EACH = "[$__rate_interval]"
TO_SERVICE = "/d/valerix-service?${__url_time_range}&var-service="
BY_SERVICE = ("Open the service", TO_SERVICE + "${__field.labels.service}")
OUTCOMES = {
    "confirmed": GOOD,
    "degraded": DEGRADED,
    "declined": REFUSED,
    "out_of_stock": NONE,
    "failed": FAILED,
}
WAITING = {
    "PENDING": DEGRADED,
    "PENDING_INVENTORY": SERVICES[NAMES["inventory"]],
    "PENDING_PAYMENT": SERVICES[NAMES["payment"]],
    "CANCELLING": REFUSED,
}


def failures(by: str, also: str = BUSINESS) -> str:
    """Failed responses per second; without failures it is a line at zero, not a missing line."""
    every = f"sum by ({by}) (rate(http_requests_total{{{also}}}{EACH}))"
    failed = f"sum by ({by}) (rate(http_requests_total{{{also},{FAILURE}}}{EACH}))"
    return f"{failed}\nor {every} * 0"


def quantile(share: float, metric: str, where: str = "") -> str:
    """A quantile over the histogram's buckets."""
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{{where}}}{EACH})))"


def quantiles(head: PanelHead, where: str, colour: str, link: Link | None = None) -> Panel:
    """P50, P90 and P99 of response times, with exemplars, and the SLA as a dashed line."""
    metric = "http_request_duration_seconds"
    return panels.lines(
        head,
        "s",
        over_time(quantile(0.5, metric, where), "P50", "A"),
        over_time(quantile(0.9, metric, where), "P90", "B"),
        over_time(quantile(0.99, metric, where), "P99", "C", exemplars=True),
        colour=colour,
        styles={"P50": "dot", "P90": "dash"},
        limit=(SLA_S, FAILED),
        link=link,
    )
