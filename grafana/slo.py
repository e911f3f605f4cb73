"""The objectives: the budget that is left, how fast it burns, and the alerts."""

from grafana import panels
from grafana.board import Board
from grafana.palette import DEGRADED, FAILED, GOOD, INK, NONE, REFUSED
from grafana.panels import Panel, PanelHead
from grafana.queries import instant, last_label, over_time
from prometheus.burn import BUDGET_LEFT, EXHAUSTED_IN, OBJECTIVE, burn_rate
from prometheus.slo import BURNS, SLOS, Burn, Slo, seconds

_OBJECTIVE = "{{slo}}"


def _budget() -> tuple[Panel, ...]:
    meant = " ".join(f"{slo.title}: {slo.means}" for slo in SLOS)
    return (
        panels.figures(
            PanelHead("Objective", meant, 8, 5),
            "percentunit",
            instant(OBJECTIVE, _OBJECTIVE),
            steps=[(None, NONE)],
            decimals=1,
        ),
        panels.figures(
            PanelHead(
                "Budget left",
                "The share of the error budget of 30 days that is left. Below zero, the objective "
                "is missed.",
                8,
                5,
            ),
            "percentunit",
            instant(BUDGET_LEFT, _OBJECTIVE),
            steps=[(None, FAILED), (0, DEGRADED), (0.25, GOOD)],
            decimals=0,
        ),
        panels.figures(
            PanelHead(
                "Time to exhaustion",
                "How long the budget lasts at the burn rate of the last five minutes. Empty while "
                "no budget is spent.",
                8,
                5,
            ),
            "s",
            instant(EXHAUSTED_IN, _OBJECTIVE),
            steps=[(None, FAILED), (3600, DEGRADED), (7 * 86400, GOOD)],
        ),
    )


def _burn_rates(slo: Slo, *, live_demo: bool) -> Panel:
    pairs = [burn for burn in BURNS if burn.live_demo is live_demo]
    colours: dict[str, str] = {}
    for burn, colour in zip(pairs, (INK, REFUSED, NONE), strict=False):
        colours = {burn.long: colour, burn.short: colour} | colours
    alerts = "; ".join(f"{b.alert} from {b.factor:g} over {b.long} and {b.short}" for b in pairs)
    return panels.lines(
        PanelHead(
            f"{slo.title}: burn rate, {'live demo' if live_demo else 'production'} windows",
            f"1 spends the budget in exactly 30 days. Alerts: {alerts}. Short windows dotted.",
            12,
            8,
        ),
        "suffix: x",
        *(
            over_time(f'{burn_rate(window)}{{slo="{slo.name}"}}', window, ref)
            for ref, window in zip("ABCDEF", sorted(colours, key=seconds), strict=False)
        ),
        colours=colours,
        styles={burn.short: "dot" for burn in pairs if burn.short not in _long(pairs)},
        limit=(pairs[0].factor, FAILED),
    )


def _long(pairs: list[Burn]) -> set[str]:
    return {burn.long for burn in pairs}


def _events(slo: Slo) -> Panel:
    return panels.lines(
        PanelHead(f"{slo.title}: requests", f"{slo.means} Averages over 25 s.", 12, 7),
        "reqps",
        over_time(f'slo:requests:rate25s{{slo="{slo.name}"}}', "all", "A"),
        over_time(f'slo:bad:rate25s{{slo="{slo.name}"}}', "bad", "B"),
        colours={"all": NONE, "bad": FAILED},
    )


_FIRING = last_label('ALERTS{alertstate="firing"}', "what", "job", "service", "slo")

BOARD = Board(
    "slo",
    "Valerix: objectives",
    "What is left of each error budget, how fast it burns, and which alerts fire.",
    (
        *_budget(),
        *(_burn_rates(slo, live_demo=True) for slo in SLOS),
        *(_burn_rates(slo, live_demo=False) for slo in SLOS),
        *(_events(slo) for slo in SLOS),
        panels.stretches(
            PanelHead("Alerts", "Which alerts were firing, and when.", 24, 7),
            "short",
            over_time(
                f"max by (alertname, what) ({_FIRING})",
                "{{alertname}} {{what}}",
            ),
            on=FAILED,
            no_value="● no alert",
        ),
    ),
)
