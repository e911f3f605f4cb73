"""What is worth a call besides the budgets: each with its numbers and the next step."""

from prometheus.names import AVERAGE, SLA_S
from prometheus.rule import AlertingRule, RuleGroup

_SERVICE = "/d/valerix-service?var-service={{ $labels.service }}"
_WHOLE = "{{ $value | printf `%.0f` }}"

_SERVICES = (
    AlertingRule(
        "SlaLightRed",
        f"{AVERAGE} >= {SLA_S}",
        "page",
        summary="{{ $labels.service }} answers too slowly",
        numbers="{{ $value | printf `%.2f` }} s on average over the last 30 s; "
        f"the promise is under {SLA_S} s.",
        spared="Orders are still accepted: what is not decided in time is answered 202 and "
        "settled later.",
        do="See on the stage whether a gremlin bites this service or one it asks; open the trace "
        "behind the slowest dot.",
        dashboard=_SERVICE,
    ),
    AlertingRule(
        "ServiceDown",
        'up{job="shop"} == 0',
        "page",
        wait="10s",
        summary="{{ $labels.service }} does not answer the scrape",
        numbers="No metrics from {{ $labels.instance }} for 10 s.",
        spared="The other services go on; orders that need this one wait and lose nothing.",
        do="Read the end of its log and start it again; what was in flight is finished by itself.",
        dashboard=_SERVICE,
    ),
    AlertingRule(
        "GremlinLeftOn",
        "valerix_gremlin_active == 1",
        "ticket",
        wait="15m",
        summary="A gremlin has been loose on {{ $labels.service }} for 15 minutes",
        numbers="{{ $labels.gremlin }}, kind {{ $labels.kind }}: three times the usual life.",
        spared="Services without a gremlin of their own, as far as they do not ask this one.",
        do="Run `valerix calm`, or switch it off on the dashboard; it ends by itself within the "
        "hour.",
        dashboard="/d/valerix-stage",
    ),
    AlertingRule(
        "TelemetryDown",
        'up{job!="shop"} == 0',
        "ticket",
        wait="1m",
        summary="{{ $labels.job }} does not answer the scrape",
        numbers="No metrics from {{ $labels.instance }} for a minute.",
        spared="The shop: signals wait in bounded queues and are dropped, orders are not.",
        do="Start it again; traces and logs of the gap may be missing.",
        dashboard="/d/valerix-stage",
    ),
)
_PROMISES = (
    AlertingRule(
        "ReconcilerLag",
        "valerix_reconciler_lag_seconds > 15",
        "page",
        wait="15s",
        summary="Pending orders are not being settled",
        numbers=f"The most overdue order has been due for {_WHOLE} s; retries come at most 10 s "
        "apart.",
        spared="New orders and orders that were decided.",
        do="See whether order-service reaches its database and the two services it asks.",
        dashboard="/d/valerix-orders",
    ),
    AlertingRule(
        "MoneyInDoubt",
        "valerix_money_in_doubt_minor > 0",
        "ticket",
        wait="2m",
        summary="The outcome of charges is unknown for two minutes",
        numbers=f"{_WHOLE} minor units, all currencies added, in attempts without an outcome.",
        spared="Nobody is charged twice: an attempt in doubt is looked up, never repeated.",
        do="See whether payment-service or its provider is slow or silent; the prober asks again "
        "at least every 30 s.",
        dashboard="/d/valerix-orders",
    ),
    AlertingRule(
        "InvariantViolated",
        "valerix_invariant_violations > 0",
        "page",
        summary="The promise {{ $labels.invariant }} is broken",
        numbers=f"{_WHOLE} rows break it.",
        spared="The other promises are judged on their own and shown beside it.",
        do="Run `valerix verify`: it prints the check and the rows that break it.",
        dashboard="/d/valerix-stage",
    ),
)

GROUPS = (RuleGroup("services", _SERVICES), RuleGroup("promises", _PROMISES))
