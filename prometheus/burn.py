"""How fast each objective's error budget burns, and the alerts of both sets of windows."""

from prometheus.rule import AlertingRule, RecordingRule, RuleGroup
from prometheus.slo import (
    BURNS,
    LONG_WINDOWS,
    PERIOD,
    RECORD_EVERY_S,
    SHORT_WINDOWS,
    SLOS,
    Burn,
    Slo,
    min_requests,
    seconds,
)

OBJECTIVE = "slo:objective:ratio"
BUDGET_LEFT = f"slo:budget_left:ratio{PERIOD}"
EXHAUSTED_IN = "slo:time_to_exhaustion:seconds"


def burn_rate(window: str) -> str:
    """The recorded burn rate; at 1 the budget lasts exactly its period."""
    return f"slo:burn:rate{window}"


def _bad(window: str) -> str:
    return f"slo:bad:rate{window}"


def _requests(window: str) -> str:
    return f"slo:requests:rate{window}"


def _sum(counters: tuple[str, ...], window: str) -> str:
    return f"sum({' or '.join(f'rate({counter}[{window}])' for counter in counters)})"


def _events(slo: Slo, window: str) -> tuple[RecordingRule, ...]:
    """Requests per second of the objective, and how many of them were bad."""
    requests = _sum(slo.requests, window)
    if slo.bad:
        # A counter that never increased has no series: that means zero, not unknown.
        bad = f"{_sum(slo.bad, window)} or vector(0)"
    else:
        bad = f"clamp_min({requests} - {_sum(slo.good, window)}, 0)"
    labels = {"slo": slo.name}
    return RecordingRule(_bad(window), bad, labels), RecordingRule(
        _requests(window), requests, labels
    )


def _burn(window: str, bad: str, requests: str) -> RecordingRule:
    # `> 0`: without requests there is no burn rate, so the series ends.
    return RecordingRule(burn_rate(window), f"{bad} / ({requests} > 0) / (1 - {OBJECTIVE})")


def _short() -> tuple[RecordingRule, ...]:
    objectives = [
        RecordingRule(OBJECTIVE, f"vector({slo.objective})", {"slo": slo.name}) for slo in SLOS
    ]
    events = [record for w in SHORT_WINDOWS for slo in SLOS for record in _events(slo, w)]
    burns = [_burn(w, _bad(w), _requests(w)) for w in SHORT_WINDOWS]
    return *objectives, *events, *burns


def _long() -> tuple[RecordingRule, ...]:
    events = [record for slo in SLOS for record in _events(slo, "1m")]
    burns = [
        _burn(w, f"sum_over_time({_bad('1m')}[{w}])", f"sum_over_time({_requests('1m')}[{w}])")
        for w in LONG_WINDOWS
    ]
    return *events, *burns, *_budgets()


def _budgets() -> tuple[RecordingRule, ...]:
    return (
        RecordingRule(BUDGET_LEFT, f"1 - {burn_rate(PERIOD)}"),
        RecordingRule(
            EXHAUSTED_IN,
            # Only while budget is spent; if it is used up already, the time is zero.
            f"clamp_min({BUDGET_LEFT}, 0) * {seconds(PERIOD)} / ({burn_rate('5m')} > 0)",
        ),
    )


def _guard(burn: Burn) -> str:
    if burn.long in SHORT_WINDOWS:
        return f"{_requests(burn.long)} * {seconds(burn.long)} >= {min_requests(burn)}"
    return (
        f"sum_over_time({_requests('1m')}[{burn.long}]) * {RECORD_EVERY_S} >= {min_requests(burn)}"
    )


def _alert(burn: Burn) -> AlertingRule:
    short = (
        f'{{{{ with printf `{burn_rate(burn.short)}{{slo="%s"}}` $labels.slo | query }}}}'
        "{{ . | first | value | printf `%.1f` }}{{ end }}"
    )
    return AlertingRule(
        burn.alert,
        f"{burn_rate(burn.long)} > {burn.factor:g}\n"
        f"and {burn_rate(burn.short)} > {burn.factor:g}\n"
        f"and {_guard(burn)}",
        burn.severity,
        summary="{{ $labels.slo }} spends its error budget too fast",
        numbers="The budget burns {{ $value | printf `%.1f` }} times as fast as it may over "
        f"{burn.long} and {short} times over {burn.short}; the limit is {burn.factor:g}.",
        not_affected="Orders that were confirmed stay confirmed; pending ones are settled by the "
        "reconciler.",
        action="See which light is red and whether a gremlin is active; calm it, or follow an "
        "exemplar to its trace.",
        dashboard="/d/valerix-slo",
        labels={"windows": "live-demo" if burn.live_demo else "production"},
    )


LIVE_DEMO = RuleGroup(
    "slo-live-demo", (*_short(), *(_alert(burn) for burn in BURNS if burn.live_demo))
)
PRODUCTION = RuleGroup(
    "slo-production",
    (*_long(), *(_alert(burn) for burn in BURNS if not burn.live_demo)),
    interval=f"{RECORD_EVERY_S}s",
)
GROUPS = (LIVE_DEMO, PRODUCTION)
