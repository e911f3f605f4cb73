"""One service from all sides: rate, errors, duration, what it runs on, its traces and its log."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, INK, NONE, REFUSED
from grafana.panels import Panel, PanelHead
from grafana.queries import PROMETHEUS, histogram_buckets, log_lines, over_time, recent_traces
from grafana.signals import EACH, failures, quantiles
from prometheus.names import NOT_BUSINESS

_ME = 'service="$service"'
_WORK = f'{_ME},path!~"{NOT_BUSINESS}"'
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
        .current(models.VariableOption(True, "order-service", "order-service"))
    )


def _answers() -> tuple[Panel, ...]:
    answers = f"rate(http_requests_total{{{_WORK}}}{EACH})"
    by_class = f'label_replace({answers}, "class", "$1", "status_code", "(.)..")'
    return (
        panels.lines(
            PanelHead("Requests by route", "Business requests per second.", 8, 7),
            "reqps",
            over_time(
                f"sum by (method, path) (rate(http_requests_total{{{_WORK}}}{EACH}))", _ROUTE
            ),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Answers by class",
                "0xx is an answer that never came: a connection that was cut.",
                8,
                7,
            ),
            "reqps",
            over_time(f"sum by (class) ({by_class})", "{{class}}xx"),
            colours={"2xx": GOOD, "3xx": NONE, "4xx": REFUSED, "5xx": FAILED, "0xx": FAILED},
            stacked=True,
        ),
        panels.lines(
            PanelHead("Failed answers by route", "5xx, and answers that never came.", 8, 7),
            "reqps",
            over_time(failures("method, path", _WORK), _ROUTE),
            colour=FAILED,
            many=True,
        ),
    )


def _durations() -> tuple[Panel, ...]:
    return (
        panels.spread(
            PanelHead(
                "Answer time, every request",
                "How many requests took how long; a dot is one of them and opens its trace.",
                12,
                8,
            ),
            "s",
            histogram_buckets(
                f"sum by (le) (increase(http_request_duration_seconds_bucket{{{_WORK}}}{EACH}))"
            ),
            colour=REFUSED,
            dots=INK,
        ),
        quantiles(
            PanelHead(
                "Answer time, quantiles",
                "P50 dotted, P90 dashed, P99 drawn through; the dashed limit is the promise.",
                12,
                8,
            ),
            _WORK,
            INK,
        ),
    )


def _door() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead(
                "In flight and shed", "Requests being served; and refused before any work.", 6, 6
            ),
            "short",
            over_time(f"sum(http_requests_in_flight{{{_ME}}})", "in flight", "A"),
            over_time(f"sum(rate(valerix_requests_shed_total{{{_ME}}}{EACH}))", "shed per s", "B"),
            colours={"shed per s": FAILED},
        ),
        panels.lines(
            PanelHead(
                "Database pool", "Connections in use and idle; none idle means waiting.", 6, 6
            ),
            "short",
            over_time(f"sum by (state) (valerix_pool_connections{{{_ME}}})", "{{state}}"),
            colours={"in_use": DEGRADED, "idle": NONE},
            stacked=True,
        ),
        panels.lines(
            PanelHead(
                "Event loop lag", "The latest it woke a sleeper: delays every request.", 6, 6
            ),
            "s",
            over_time(f"max(valerix_event_loop_lag_seconds{{{_ME}}})", "worst in 2 s"),
        ),
        panels.lines(
            PanelHead(
                "Telemetry dropped", "Spans and log lines thrown away since the start.", 6, 6
            ),
            "short",
            over_time(f"sum(valerix_telemetry_dropped{{{_ME}}})", "dropped"),
            colour=FAILED,
        ),
    )


def _process() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Memory", "Resident set of the process.", 8, 6),
            "bytes",
            over_time(f"sum(process_resident_memory_bytes{{{_ME}}})", "resident"),
        ),
        panels.lines(
            PanelHead("Processor", "Share of one core.", 8, 6),
            "percentunit",
            over_time(f"sum(rate(process_cpu_seconds_total{{{_ME}}}{EACH}))", "of one core"),
        ),
        panels.lines(
            PanelHead("Garbage collection", "Collections per second, by generation.", 8, 6),
            "suffix: /s",
            over_time(
                f"sum by (generation) (rate(python_gc_collections_total{{{_ME}}}{EACH}))",
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
        *_answers(),
        *_durations(),
        *_door(),
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
