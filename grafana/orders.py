"""Orders, money and stock: how many, in which state, and what waits."""

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, INK, NONE, REFUSED
from grafana.panels import Panel, PanelHead
from grafana.payments import STATES
from grafana.queries import instant, last_label, over_time
from grafana.signals import EACH, OUTCOMES, WAITING, quantile
from grafana.style import nan_label, value_labels
from prometheus.names import ORDERS

_SETTLE = "valerix_order_settle_seconds"
_REASONS = {
    "CONFIRMED": GOOD,
    "OUT_OF_STOCK": NONE,
    "PAYMENT_DECLINED": REFUSED,
    "USER_CANCELLED": INK,
    "INVENTORY_TIMEOUT": FAILED,
    "PAYMENT_TIMEOUT": FAILED,
    "INTERNAL_CONTRACT": FAILED,
}


def _grown(counter: str) -> str:
    return f"sum(increase({counter}[$__range]))"


def _flow() -> tuple[Panel, ...]:
    return (
        panels.bars(
            PanelHead(
                "From placed to confirmed",
                "Orders that reached each step in the time shown. Between placed and held are the "
                "sold out, between held and paid the declined.",
                12,
                8,
            ),
            "short",
            instant(_grown(f"http_requests_total{{{ORDERS}}}"), "placed", "A"),
            instant(_grown('valerix_payments_total{outcome="PROCESSING"}'), "stock held", "B"),
            instant(_grown('valerix_payments_total{outcome="SUCCEEDED"}'), "paid", "C"),
            instant(_grown('valerix_orders_settled_total{status="CONFIRMED"}'), "confirmed", "D"),
            colours={"confirmed": GOOD},
            colour=NONE,
        ),
        panels.bars(
            PanelHead("Responses", "Responses to customers in the time shown, by outcome.", 12, 8),
            "short",
            instant("sum by (outcome) (increase(valerix_orders_total[$__range]))", "{{outcome}}"),
            colours=OUTCOMES,
        ),
    )


def _decisions() -> tuple[Panel, ...]:
    ends = last_label(f"rate(valerix_orders_settled_total{EACH})", "end", "status", "reason")
    return (
        panels.lines(
            PanelHead("Decisions", "Orders per second that were settled, and why.", 8, 7),
            "suffix: orders/s",
            over_time(f"sum by (end) ({ends})", "{{end}}"),
            colours=_REASONS,
            stacked=True,
        ),
        panels.lines(
            PanelHead("Time to settle", "From placed to decided, retries included.", 8, 7),
            "s",
            over_time(quantile(0.5, _SETTLE), "P50", "A"),
            over_time(quantile(0.9, _SETTLE), "P90", "B"),
            over_time(quantile(0.99, _SETTLE), "P99", "C"),
            styles={"P50": "dot", "P90": "dash"},
        ),
        panels.lines(
            PanelHead("Waiting", "Orders that are not settled, by what they wait for.", 8, 7),
            "short",
            over_time("sum by (status) (valerix_orders_pending)", "{{status}}", "A"),
            over_time("sum(valerix_orders_uncommitted)", "paid, not yet marked sold", "B"),
            colours=WAITING,
        ),
    )


def _money() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Reconciler lag", "How long the most overdue order has been due.", 8, 7),
            "s",
            over_time("max(valerix_reconciler_lag_seconds)", "most overdue"),
            limit=(15, FAILED),
        ),
        panels.lines(
            PanelHead(
                "Money in doubt",
                "Minor units, all currencies added, in attempts whose outcome is not known.",
                8,
                7,
            ),
            "suffix: minor units",
            over_time("max(valerix_money_in_doubt_minor)", "in doubt"),
            colour=DEGRADED,
        ),
        panels.lines(
            PanelHead("Payments", "Payments per second that entered a state.", 8, 7),
            "suffix: payments/s",
            over_time(f"sum by (outcome) (rate(valerix_payments_total{EACH}))", "{{outcome}}"),
            colours=STATES,
        ),
        _needs_an_operator(),
    )


def _needs_an_operator() -> Panel:
    return panels.figures(
        PanelHead(
            "Needs an operator",
            "Payments that no retry can resolve; refusals that mean a bug between services.",
            12,
            7,
        ),
        "short",
        instant("max(valerix_payments_needing_review)", "payments", "A"),
        instant("sum(valerix_contract_alarms_total)", "contract alarms", "B"),
        steps=[(None, NONE), (0, GOOD), (1, FAILED)],
        meanings=[value_labels({"0": ("● none", GOOD)}), nan_label("○ unknown")],
    )


def _stock() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Left in stock", "Units that can still be ordered.", 12, 7),
            "suffix: units",
            over_time('max by (product) (valerix_stock_units{state="stock"})', "{{product}}"),
            many=True,
        ),
        panels.bars(
            PanelHead("Stock by product", "In stock, reserved for an order, and sold.", 24, 7),
            "suffix: units",
            instant("max by (product, state) (valerix_stock_units)", "{{product}} {{state}}"),
            colours={},
            colour=NONE,
        ),
    )


BOARD = Board(
    "orders",
    "Valerix: orders and stock",
    "How orders proceed, with their payments and their stock.",
    (*_flow(), *_decisions(), *_money(), *_stock()),
)
