"""Payments: what merchants' policies said, how amounts were planned, what accounts answered."""

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, INK, NONE, REFUSED
from grafana.panels import Panel, PanelHead
from grafana.queries import instant, over_time
from grafana.signals import EACH, quantile
from grafana.style import nan_label, value_labels

STATES = {
    "PROCESSING": DEGRADED,
    "SUCCEEDED": GOOD,
    "FAILED": REFUSED,
    "CANCELLED": NONE,
    "REFUNDED": INK,
}
_PLAN_S = "plan_build_duration_seconds"


def _now() -> tuple[Panel, ...]:
    return (
        panels.bars(
            PanelHead(
                "Payments by outcome",
                "Payments that came to each state in the time shown; PROCESSING are those opened.",
                8,
                7,
            ),
            "short",
            instant("sum by (outcome) (increase(valerix_payments_total[$__range]))", "{{outcome}}"),
            colours=STATES,
            colour=NONE,
        ),
        panels.figures(
            PanelHead(
                "Needs a look",
                "Payments that no retry can resolve; accounts that are asked for no new money; "
                "conditions of policies that failed in the time shown.",
                8,
                7,
            ),
            "short",
            instant("max(valerix_payments_needing_review)", "to review", "A"),
            instant("sum(max by (provider) (valerix_breaker_state))", "breakers open", "B"),
            instant("sum(increase(valerix_policy_errors_total[$__range]))", "policy errors", "C"),
            steps=[(None, NONE), (0, GOOD), (1, FAILED)],
            meanings=[value_labels({"0": ("● none", GOOD)}), nan_label("○ unknown")],
            decimals=0,
        ),
        panels.stretches(
            PanelHead(
                "Breakers",
                "When an account was asked for no new money; what was unknown there stayed there.",
                8,
                7,
            ),
            "short",
            over_time("max by (provider) (valerix_breaker_state)", "{{provider}}"),
            on=FAILED,
            no_value="no account was asked",
        ),
    )


def _accounts() -> tuple[Panel, ...]:
    asked = 'operation=~"charge|authorise"'
    slow = f"rate(valerix_provider_seconds_bucket{{{asked}}}{EACH})"
    return (
        panels.lines(
            PanelHead("Legs", "Legs per second that came to a state, by account.", 8, 7),
            "suffix: legs/s",
            over_time(
                f"sum by (provider, outcome) (rate(valerix_legs_total{EACH}))",
                "{{provider}} {{outcome}}",
            ),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Requests for money",
                "Per second, by what the account answered; no answer is silence.",
                8,
                7,
            ),
            "suffix: requests/s",
            over_time(
                f"sum by (provider, outcome) (rate(valerix_route_attempts_total{EACH}))",
                "{{provider}} {{outcome}}",
            ),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Time to an answer",
                "P99 of requests for money, by account.",
                8,
                7,
            ),
            "s",
            over_time(f"histogram_quantile(0.99, sum by (le, provider) ({slow}))", "{{provider}}"),
            many=True,
        ),
    )


def _decisions() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead(
                "Policies", "What merchants' policies said, per second, by the action.", 8, 7
            ),
            "suffix: decisions/s",
            over_time(
                f"sum by (action) (rate(valerix_policy_decisions_total{EACH}))", "{{action}}"
            ),
            colours={"allow": GOOD, "deny": REFUSED},
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Plans",
                "Plans asked for, per second; breakers that opened or closed, per second.",
                8,
                7,
            ),
            "suffix: /s",
            over_time(f"sum(rate(plan_requests_total{EACH}))", "plans", "A"),
            over_time(f"sum(rate(valerix_breaker_transitions_total{EACH}))", "breakers moved", "B"),
            styles={"breakers moved": "dash"},
        ),
        panels.lines(
            PanelHead("Time to plan", "What policy and plan of a request took.", 8, 7),
            "s",
            over_time(quantile(0.5, _PLAN_S), "P50", "A"),
            over_time(quantile(0.99, _PLAN_S), "P99", "B"),
            styles={"P50": "dot"},
        ),
    )


def _fees() -> Panel:
    return panels.bars(
        PanelHead(
            "Fees by account",
            "Fees of planned legs that were captured in the time shown; all currencies added.",
            24,
            6,
        ),
        "suffix: minor units",
        instant("sum by (provider) (increase(valerix_fees_minor_total[$__range]))", "{{provider}}"),
        colours={},
        colour=NONE,
    )


def _outside() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead(
                "Webhooks",
                "Events that accounts sent, per second, by the account and what became of them; "
                "what is not signed is refused.",
                8,
                7,
            ),
            "suffix: events/s",
            over_time(
                f"sum by (provider, result) (rate(valerix_webhooks_total{EACH}))",
                "{{provider}} {{result}}",
            ),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Waiting events", "Age of the oldest event that is not worked off yet.", 8, 7
            ),
            "s",
            over_time("max(valerix_webhook_lag_seconds)", "oldest"),
        ),
        panels.bars(
            PanelHead(
                "Reconciliation",
                "Open differences between the accounts' settlement files and our ledger, now, by "
                "kind.",
                8,
                7,
            ),
            "short",
            instant("max by (kind) (valerix_reconciliation_breaks)", "{{kind}}"),
            colours={},
            colour=FAILED,
        ),
    )


BOARD = Board(
    "payments",
    "Valerix: payments",
    "How payments are decided, where their legs go, and what the accounts answer.",
    (*_now(), *_accounts(), *_decisions(), *_outside(), _fees()),
)
