"""One service from all sides: rate, errors, duration, what it runs on, its traces and its log."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, INK, NONE, REFUSED
from grafana.panels import Panel, PanelHead
from grafana.queries import PROMETHEUS, histogram_buckets, log_lines, over_time, recent_traces
from grafana.signals import EACH, failures, quantiles
from observatory.sla import NOT_BUSINESS
from topology import PROCESSES

_THIS = 'service="$service"'
_BUSINESS = f'{_THIS},path!~"{NOT_BUSINESS}"'
_ROUTE = "{{method}} {{path}}"


def _service() -> dashboard.QueryVariable:
    query = 'label_values(up{job="shop"}, service)'
    return (
        dashboard.QueryVariable("service")
        .label("Service")
        .description("Whose signals are shown.")
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": "service"})
        .definition(query)
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .current(models.VariableOption(True, PROCESSES[0].name, PROCESSES[0].name))
    )


def _responses() -> tuple[Panel, ...]:
    responses = f"rate(http_requests_total{{{_BUSINESS}}}{EACH})"
    by_class = f'label_replace({responses}, "class", "$1", "status_code", "(.)..")'
    return (
        panels.lines(
            PanelHead("Requests by route", "Business requests per second.", 8, 7),
            "reqps",
            over_time(
                f"sum by (method, path) (rate(http_requests_total{{{_BUSINESS}}}{EACH}))", _ROUTE
            ),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Responses by class",
                "0xx is a dropped connection.",
                8,
                7,
            ),
            "reqps",
            over_time(f"sum by (class) ({by_class})", "{{class}}xx"),
            colours={"2xx": GOOD, "3xx": NONE, "4xx": REFUSED, "5xx": FAILED, "0xx": FAILED},
            stacked=True,
        ),
        panels.lines(
            PanelHead(
                "Failed responses by route",
                "5xx, dropped connections, and requests that callers gave up on.",
                8,
                7,
            ),
            "reqps",
            over_time(failures("method, path", _BUSINESS), _ROUTE),
            colour=FAILED,
            many=True,
        ),
    )


def _durations() -> tuple[Panel, ...]:
    return (
        panels.spread(
            PanelHead(
                "Response time, every request",
                "How many requests took how long; a dot is one of them and opens its trace.",
                12,
                8,
            ),
            "s",
            histogram_buckets(
                f"sum by (le) (increase(http_request_duration_seconds_bucket{{{_BUSINESS}}}{EACH}))"
            ),
            colour=REFUSED,
            dots=INK,
        ),
        quantiles(
            PanelHead(
                "Response time, quantiles",
                "P50 dotted, P90 dashed, P99 solid; the dashed limit is the SLA.",
                12,
                8,
            ),
            _BUSINESS,
            INK,
        ),
    )


def _capacity() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("In flight and shed", "Requests being served; and rejected ones.", 6, 6),
            "short",
            over_time(f"sum(http_requests_in_flight{{{_THIS}}})", "in flight", "A"),
            over_time(f"sum(rate(valerix_requests_shed_total{{{_THIS}}}{EACH}))", "shed/s", "B"),
            colours={"shed/s": FAILED},
        ),
        panels.lines(
            PanelHead(
                "Database pool",
                "Connections in use and idle; without idle ones, requests wait.",
                6,
                6,
            ),
            "short",
            over_time(f"sum by (state) (valerix_pool_connections{{{_THIS}}})", "{{state}}"),
            colours={"in_use": DEGRADED, "idle": NONE},
            stacked=True,
        ),
        panels.lines(
            PanelHead("Event loop lag", "The longest delay of a timer within two seconds.", 6, 6),
            "s",
            over_time(f"max(valerix_event_loop_lag_seconds{{{_THIS}}})", "worst in 2 s"),
        ),
        panels.lines(
            PanelHead("Telemetry dropped", "Spans and log lines dropped since the start.", 6, 6),
            "short",
            over_time(f"sum(valerix_telemetry_dropped{{{_THIS}}})", "dropped"),
            colour=FAILED,
        ),
    )


def _process() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Memory", "Resident set of the process.", 8, 6),
            "bytes",
            over_time(f"sum(process_resident_memory_bytes{{{_THIS}}})", "resident"),
        ),
        panels.lines(
            PanelHead("Processor", "Share of one core.", 8, 6),
            "percentunit",
            over_time(f"sum(rate(process_cpu_seconds_total{{{_THIS}}}{EACH}))", "of one core"),
        ),
        panels.lines(
            PanelHead("Garbage collection", "Collections per second, by generation.", 8, 6),
            "suffix: /s",
            over_time(
                f"sum by (generation) (rate(python_gc_collections_total{{{_THIS}}}{EACH}))",
                "generation {{generation}}",
            ),
            colours={"generation 2": FAILED, "generation 1": DEGRADED, "generation 0": NONE},
        ),
    )


BOARD = Board(
    "service",
    "Valerix: service",
    "Rate, errors and duration of one service, what it runs on, its traces and its log.",
    (
        *_responses(),
        *_durations(),
        *_capacity(),
        *_process(),
        panels.trace_table(
            PanelHead("Recent traces", "The newest traces that touch this service.", 12, 9),
            recent_traces("$service"),
        ),
        panels.log(
            PanelHead("Log", "Everything this service writes.", 12, 9),
            log_lines('{service_name="$service"}'),
        ),
    ),
    variables=(_service(),),
)
