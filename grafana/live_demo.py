"""The stage: twelve panels for a projector, from the lights down to the log."""

from grafana_foundation_sdk.models import dashboard as models

from grafana import panels
from grafana.board import Board
from grafana.palette import FAILED, GOOD, GREMLIN, NONE, SERVICES
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
from prometheus.names import AVERAGE, BUSINESS, SHOP, SLA_S


def _marked(expr: str, light: str) -> str:
    return f'label_replace({expr}, "light", "{light}", "", "")'


# The same words and the same order of judgement as on the shop's own page. A service without a
# signal counts -1, one without traffic NaN; neither is a number of seconds.
LIGHTS = "\nor on (service) ".join(
    [
        _marked(f'max by (service) (up{{job="shop",{SHOP}}} == 0) - 1', "○ No signal"),
        _marked(f"{AVERAGE} < {SLA_S}", "● Fast"),
        _marked(f"{AVERAGE} >= {SLA_S}", "■ Too slow"),
        _marked(f'max by (service) (up{{job="shop",{SHOP}}}) * NaN', "○ No traffic"),
    ]
)


def _lights() -> Panel:
    panel = panels.figures(
        PanelHead(
            "Average answer time, last 30 s",
            "● green under one second, ■ red from one second, ○ grey without traffic or signal. "
            "The same rule and the same numbers as the lights of the shop's own page.",
            24,
            4,
        ),
        "s",
        instant_rows(LIGHTS),
        steps=[(None, NONE), (0, GOOD), (SLA_S, FAILED)],
        meanings=[value_labels({"-1": ("-", NONE)}), nan_label("-")],
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
                "Failed answers", "Answers of 500 and above, and answers that never came.", 8, 6
            ),
            "reqps",
            over_time(failures("service"), "{{service}}"),
            colours=SERVICES,
            link=BY_SERVICE,
        ),
        panels.lines(
            PanelHead(
                "Orders by outcome",
                "Answers to POST /orders. Degraded is accepted but not decided yet; declined and "
                "out of stock are an honest no.",
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


def _times() -> tuple[Panel, ...]:
    return tuple(
        quantiles(
            PanelHead(
                f"{service}: answer time",
                "P50 dotted, P90 dashed, P99 drawn through; the dashed limit is the promise. A "
                "dot is one real request: it opens its trace.",
                8,
                6,
            ),
            BUSINESS.replace(SHOP, f'service="{service}"'),
            SERVICES[service],
            ("Open the service", TO_SERVICE + service),
        )
        for service in ("order-service", "inventory-service", "payment-service")
    )


def _state() -> tuple[Panel, ...]:
    settle = "valerix_order_settle_seconds"
    return (
        panels.lines(
            PanelHead(
                "Pending orders", "Placed but not decided; the reconciler works them off.", 6, 5
            ),
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
            PanelHead("Gremlins", "When a gremlin was loose, and where.", 6, 5),
            "short",
            over_time(
                "max by (service, gremlin, kind) (valerix_gremlin_active)",
                "{{kind}} · {{service}}",
            ),
            on=GREMLIN,
            silence="no gremlin so far",
        ),
        panels.figures(
            PanelHead(
                "Broken promises", "Rows that break an invariant of the shop: must be 0.", 6, 5
            ),
            "suffix: rows",
            instant("sum(valerix_invariant_violations)", "all promises"),
            steps=[(None, NONE), (0, GOOD), (1, FAILED)],
            meanings=[value_labels({"0": ("● kept", GOOD)}), nan_label("○ not judged")],
        ),
    )


BOARD = Board(
    "stage",
    "Valerix: stage",
    "Is the shop well, what was broken on purpose, and where to look next.",
    (
        _lights(),
        *_traffic(),
        *_times(),
        *_state(),
        panels.log(
            PanelHead(
                "Errors in the log", "Error lines, and requests answered 5xx or not at all.", 24, 7
            ),
            log_lines(
                # A gremlin's line has a status too, the one it will answer with; but no route.
                '{service_name=~".+"} | severity_text=~"ERROR|CRITICAL"'
                ' or (route=~".+" and status=~"5..|0")'
            ),
        ),
    ),
)
