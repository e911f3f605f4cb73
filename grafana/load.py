"""Under load: what the services measure during a load test, with its thresholds."""

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, INK, NONE, REFUSED, SERVICES
from grafana.panels import Panel, PanelHead
from grafana.queries import instant, over_time
from grafana.signals import BY_SERVICE, EACH, OUTCOMES, quantiles
from grafana.style import Steps
from prometheus.names import ERRORS, FAILURE, ORDERS, RATE, SHOP

_WORST_S, _SLOW_S, _ERRORS, _SUCCESS = 1, 0.5, 0.05, 0.95
_ALL = f"sum(rate(http_requests_total{{{ORDERS}}}[$__range]))"
_FAILED = f"sum(rate(http_requests_total{{{ORDERS},{FAILURE}}}[$__range])) or vector(0)"


def _under(limit: float) -> Steps:
    return [(None, GOOD), (limit, FAILED)]


def _quantile_shown(share: float) -> str:
    bucket = f"http_request_duration_seconds_bucket{{{ORDERS}}}"
    return f"histogram_quantile({share}, sum by (le) (rate({bucket}[$__range])))"


def _verdict() -> tuple[Panel, ...]:
    same = "POST /orders in the time shown, against the load test's own threshold:"
    return (
        panels.figures(
            PanelHead("P95", f"{same} {_SLOW_S:g} s.", 6, 4),
            "s",
            instant(_quantile_shown(0.95), "P95"),
            steps=_under(_SLOW_S),
        ),
        panels.figures(
            PanelHead("P99", f"{same} {_WORST_S:g} s.", 6, 4),
            "s",
            instant(_quantile_shown(0.99), "P99"),
            steps=_under(_WORST_S),
        ),
        panels.figures(
            PanelHead("Errors", f"{same} {_ERRORS:.0%}. 5xx, dropped or given up.", 6, 4),
            "percentunit",
            instant(f"({_FAILED}) / ({_ALL} > 0)", "errors"),
            steps=_under(_ERRORS),
            decimals=1,
        ),
        panels.figures(
            PanelHead(
                "Success", f"{same} {_SUCCESS:.0%}. Declined and sold out count as one.", 6, 4
            ),
            "percentunit",
            instant(f"1 - ({_FAILED}) / ({_ALL} > 0)", "success"),
            steps=[(None, FAILED), (_SUCCESS, GOOD)],
            decimals=1,
        ),
    )


def _orders() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Responses to POST /orders", "By status code; 000: no response.", 8, 8),
            "reqps",
            over_time(
                f"sum by (status_code) (rate(http_requests_total{{{ORDERS}}}{EACH}))",
                "{{status_code}}",
            ),
            colours={
                "201": GOOD, "202": DEGRADED, "402": REFUSED, "409": NONE, "500": FAILED,
                "503": FAILED, "504": FAILED, "000": FAILED,
            },
            stacked=True,
        ),
        panels.lines(
            PanelHead("Outcomes", "The same responses, by outcome.", 8, 8),
            "suffix: orders/s",
            over_time(f"sum by (outcome) (rate(valerix_orders_total{EACH}))", "{{outcome}}"),
            colours=OUTCOMES,
            stacked=True,
        ),
        quantiles(
            PanelHead("Response time of POST /orders", "P50 dotted, P90 dashed, P99 solid.", 8, 8),
            ORDERS,
            INK,
        ),
    )  # fmt: skip


_CHARTS = (
    ("Requests", "Business requests per second, over 30 s.", "reqps", RATE),
    (
        "Share of errors",
        "5xx, dropped connections and requests given up on, over 30 s.",
        "percentunit",
        ERRORS,
    ),
    (
        "In flight",
        "Requests being served; above the limit they are shed.",
        "short",
        f"sum by (service) (http_requests_in_flight{{{SHOP}}})",
    ),
    (
        "Shed",
        "Rejected before any work, per second.",
        "reqps",
        f"sum by (service) (rate(valerix_requests_shed_total{{{SHOP}}}{EACH}))",
    ),
    (
        "Processor",
        "Share of one core.",
        "percentunit",
        f"sum by (service) (rate(process_cpu_seconds_total{{{SHOP}}}{EACH}))",
    ),
    (
        "Event loop lag",
        "The longest delay of a timer within two seconds.",
        "s",
        f"max by (service) (valerix_event_loop_lag_seconds{{{SHOP}}})",
    ),
    (
        "Pool in use",
        "Database connections in use.",
        "short",
        f'sum by (service) (valerix_pool_connections{{{SHOP},state="in_use"}})',
    ),
    (
        "Memory",
        "Resident set of the process.",
        "bytes",
        f"sum by (service) (process_resident_memory_bytes{{{SHOP}}})",
    ),
)


def _services() -> tuple[Panel, ...]:
    return tuple(
        panels.lines(
            PanelHead(title, about, 6, 6),
            unit,
            over_time(expr, "{{service}}"),
            colours=SERVICES,
            link=BY_SERVICE,
        )
        for title, about, unit, expr in _CHARTS
    )


BOARD = Board(
    "load",
    "Valerix: load test",
    "What the services measure while a load test runs; the clients' figures are in its report.",
    (*_verdict(), *_orders(), *_services()),
)
