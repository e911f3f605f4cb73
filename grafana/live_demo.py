"""The live demo: one screen for a projector, from the lights down to the log."""

from grafana_foundation_sdk.models import dashboard as models

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, GREMLIN, NONE, SERVICES
from grafana.panels import Panel, PanelHead
from grafana.queries import instant, instant_rows, log_lines, over_time
from grafana.signals import (
    BY_SERVICE,
    EACH,
    OUTCOMES,
    TO_SERVICE,
    WAITING,
    failures,
    quantile,
    quantiles,
)
from grafana.style import nan_label, value_labels
from observatory.sla import LIGHT_LABELS
from prometheus.names import (
    AVERAGE,
    BUSINESS,
    ERRORS,
    FAILING_SHARE,
    PENDING,
    PENDING_SHARE,
    SHOP,
    SLA_S,
)
from topology import LIT


def _with_light(expr: str, light: str) -> str:
    return f'label_replace({expr}, "light", "{light}", "", "")'


# The same labels, in the same order of precedence, as on the shop's own page. A service without a
# signal has the value -1, one that fails -2, a degraded one -3, one without traffic NaN: a number
# of seconds would give it the colour of its speed.
LIGHTS = "\nor on (service) ".join(
    [
        _with_light(f'max by (service) (up{{job="shop",{SHOP}}} == 0) - 1', "○ No signal"),
        _with_light(f"{AVERAGE} >= {SLA_S:g}", f"■ {LIGHT_LABELS['slow']}"),
        _with_light(f"({ERRORS} > {FAILING_SHARE:g}) * 0 - 2", f"✖ {LIGHT_LABELS['failing']}"),
        _with_light(f"({PENDING} > {PENDING_SHARE:g}) * 0 - 3", f"▲ {LIGHT_LABELS['degraded']}"),
        _with_light(AVERAGE, f"● {LIGHT_LABELS['good']}"),
        _with_light(
            f'max by (service) (up{{job="shop",{SHOP}}}) * NaN', f"○ {LIGHT_LABELS['none']}"
        ),
    ]
)


def _lights_panel() -> Panel:
    panel = panels.figures(
        PanelHead(
            "Average response time, last 30 s",
            "● green under one second, ■ red from one second, ✖ red when more than "
            f"{FAILING_SHARE:.0%} fail, ▲ amber when more than {PENDING_SHARE:.0%} are not "
            "decided, ○ grey without traffic or signal. "
            "The same rule and the same numbers as the lights of the shop's own page.",
            24,
            4,
        ),
        "s",
        instant_rows(LIGHTS),
        steps=[(None, NONE), (0, GOOD), (SLA_S, FAILED)],
        meanings=[
            value_labels(
                {
                    "-1": ("-", NONE),
                    "-2": (f"> {FAILING_SHARE:.0%} fail", FAILED),
                    "-3": (f"> {PENDING_SHARE:.0%} wait", DEGRADED),
                }
            ),
            nan_label("-"),
        ],
        link=("Open the service", TO_SERVICE + "${__data.fields.service}"),
        rows=True,
    )
    # A service keeps its place, whatever its colour.
    by_service = {"fields": {}, "sort": [{"field": "service"}]}
    return panel.with_transformation(models.DataTransformerConfig("sortBy", options=by_service))


def _traffic() -> tuple[Panel, ...]:
    per_second = f"sum by (service) (rate(http_requests_total{{{BUSINESS}}}{EACH}))"
    return (
        panels.lines(
            PanelHead("Requests", "Business requests per second, by service.", 8, 6),
            "reqps",
            over_time(per_second, "{{service}}"),
            colours=SERVICES,
            link=BY_SERVICE,
        ),
        panels.lines(
            PanelHead(
                "Failed responses",
                "Responses of 5xx, dropped connections, and requests that callers gave up on.",
                8,
                6,
            ),
            "reqps",
            over_time(failures("service"), "{{service}}"),
            colours=SERVICES,
            link=BY_SERVICE,
        ),
        panels.lines(
            PanelHead(
                "Orders by outcome",
                "Responses to POST /orders. Degraded is accepted but not decided yet; declined and "
                "out of stock are valid results.",
                8,
                6,
            ),
            "suffix: orders/s",
            over_time(f"sum by (outcome) (rate(valerix_orders_total{EACH}))", "{{outcome}}"),
            colours=OUTCOMES,
            stacked=True,
            link=("Orders and stock", "/d/valerix-orders?${__url_time_range}"),
        ),
    )


def _response_times() -> tuple[Panel, ...]:
    """One panel per service of the shop, at most four in a row, each row as wide as the screen."""
    names = tuple(process.name for process in LIT)
    rows = [names[start : start + 4] for start in range(0, len(names), 4)]
    return tuple(_response_time(name, 24 // len(row)) for row in rows for name in row)


def _response_time(service: str, width: int) -> Panel:
    return quantiles(
        PanelHead(
            f"{service}: response time",
            "P50 dotted, P90 dashed, P99 solid; the dashed limit is the SLA. A dot is one real "
            "request: it opens its trace.",
            width,
            6,
        ),
        BUSINESS.replace(SHOP, f'service="{service}"'),
        SERVICES[service],
        ("Open the service", TO_SERVICE + service),
    )


def _shop_state() -> tuple[Panel, ...]:
    settle = "valerix_order_settle_seconds"
    return (
        panels.lines(
            PanelHead("Pending orders", "Placed, not decided; the reconciler settles them.", 6, 5),
            "short",
            over_time("sum by (status) (valerix_orders_pending)", "{{status}}"),
            colours=WAITING,
            stacked=True,
            link=("Orders and stock", "/d/valerix-orders?${__url_time_range}"),
        ),
        panels.lines(
            PanelHead("Time to settle", "From placed to decided, retries included.", 6, 5),
            "s",
            over_time(quantile(0.5, settle), "P50", "A"),
            over_time(quantile(0.9, settle), "P90", "B"),
            styles={"P50": "dot", "P90": "dash"},
        ),
        panels.stretches(
            PanelHead("Gremlins", "When a gremlin was active, and where.", 6, 5),
            "short",
            over_time(
                "max by (service, gremlin, kind) (valerix_gremlin_active)",
                "{{kind}} · {{service}}",
            ),
            on=GREMLIN,
            no_value="no gremlin so far",
        ),
        panels.figures(
            PanelHead("Broken promises", "Rows that break an invariant; must be 0.", 6, 5),
            "suffix: rows",
            instant("sum(valerix_invariant_violations)", "all promises"),
            steps=[(None, NONE), (0, GOOD), (1, FAILED)],
            meanings=[value_labels({"0": ("● kept", GOOD)}), nan_label("○ not judged")],
        ),
    )


BOARD = Board(
    "live_demo",
    "Live demo",
    "The state of the shop, the active gremlins, and where to look next.",
    (
        _lights_panel(),
        *_traffic(),
        *_response_times(),
        *_shop_state(),
        panels.log(
            PanelHead(
                "Errors in the log",
                "Error lines, and requests that failed: 5xx, no answer, or the caller gave up.",
                24,
                7,
            ),
            log_lines(
                # A gremlin's log line has a status too, the one that it sends, but no route.
                '{service_name=~".+"} | severity_text=~"ERROR|CRITICAL"'
                ' or (route=~".+" and status=~"5..|499|0")'
            ),
        ),
    ),
)
