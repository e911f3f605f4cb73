"""The alerts besides those on error budgets: each with its numbers and the next step."""

from observatory.sla import LIGHT_LABELS
from prometheus.names import AVERAGE, ERRORS, FAILING_SHARE, SLA_S
from prometheus.rule import AlertingRule, RuleGroup

_SERVICE = "/d/valerix-service?var-service={{ $labels.service }}"
_PAYMENTS = "/d/valerix-payments"
_FLOW = "/d/valerix-events"
_SLOW, _FAILING = LIGHT_LABELS["slow"], LIGHT_LABELS["failing"]
_WHOLE = "{{ $value | printf `%.0f` }}"

_SERVICES = (
    AlertingRule(
        "SlaLightRed",
        f'label_replace({AVERAGE} >= {SLA_S:g}, "light", "{_SLOW}", "", "")\nor on (service)\n'
        f'label_replace({ERRORS} > {FAILING_SHARE:g}, "light", "{_FAILING}", "", "")',
        "page",
        summary="The light of {{ $labels.service }} is red: {{ $labels.light }}",
        numbers=f"{{{{ if eq $labels.light `{_FAILING}` }}}}"
        "{{ $value | humanizePercentage }} of its requests failed in the last 30 s; the limit is "
        f"{FAILING_SHARE:.0%}."
        "{{ else }}{{ $value | printf `%.2f` }} s on average over the last 30 s; the limit is "
        f"{SLA_S:g} s.{{{{ end }}}}",
        not_affected="Orders are still accepted: what is not decided in time is answered 202 and "
        "settled later.",
        action="See on the live demo dashboard whether a gremlin is active on this service or on "
        "one that it calls; open the trace of the slowest exemplar, or of one that failed.",
        dashboard=_SERVICE,
    ),
    AlertingRule(
        "ServiceDown",
        'up{job="shop"} == 0',
        "page",
        wait="10s",
        summary="{{ $labels.service }} does not answer the scrape",
        numbers="No metrics from {{ $labels.instance }} for 10 s.",
        not_affected="The other services go on; orders that need this one are settled "
        "later, none is lost.",
        action="Read the end of its log and start it again; unfinished orders are then settled.",
        dashboard=_SERVICE,
    ),
    AlertingRule(
        "GremlinLeftOn",
        "valerix_gremlin_active == 1",
        "ticket",
        wait="15m",
        summary="A gremlin has been active on {{ $labels.service }} for 15 minutes",
        numbers="{{ $labels.gremlin }}, kind {{ $labels.kind }}: three times the default duration.",
        not_affected="Services without a gremlin that do not call this one.",
        action="Run `valerix calm`, or switch it off on the dashboard; it expires within the hour.",
        dashboard="/d/valerix-live-demo",
    ),
    AlertingRule(
        "TelemetryDown",
        'up{job!="shop"} == 0',
        "ticket",
        wait="1m",
        summary="{{ $labels.job }} does not answer the scrape",
        numbers="No metrics from {{ $labels.instance }} for a minute.",
        not_affected="The shop: telemetry waits in bounded queues and is then dropped, "
        "orders are not.",
        action="Start it again; traces and logs of that time may be missing.",
        dashboard="/d/valerix-live-demo",
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
        not_affected="New orders, and orders that are settled.",
        action="See whether order-service reaches its database and the services it calls.",
        dashboard="/d/valerix-orders",
    ),
    AlertingRule(
        "MoneyInDoubt",
        "valerix_money_in_doubt_minor > 0",
        "ticket",
        wait="2m",
        summary="The outcome of charges is unknown for two minutes",
        numbers=f"{_WHOLE} minor units, all currencies added, in attempts without an outcome.",
        not_affected="Nobody is charged twice: an attempt in doubt is looked up, never repeated.",
        action="See whether payment-service or its provider is slow or does not respond; the "
        "payment reconciler looks the attempt up at least every 30 s.",
        dashboard="/d/valerix-orders",
    ),
    AlertingRule(
        "ReviewNeeded",
        "valerix_payments_needing_review > 0",
        "ticket",
        summary="Payments need a human",
        numbers=f"{_WHOLE} payments that no retry can resolve: what their provider says "
        "contradicts what it said before, or it has said nothing for twenty tries.",
        not_affected="Nothing is guessed: their money is neither taken nor given back meanwhile.",
        action="Read the error lines of payment-service that name them, and ask the provider.",
        dashboard=_PAYMENTS,
    ),
    AlertingRule(
        "InvariantViolated",
        "valerix_invariant_violations > 0",
        "page",
        summary="The promise {{ $labels.invariant }} is broken",
        numbers=f"{_WHOLE} rows break it.",
        not_affected="The other promises are judged separately and shown beside it.",
        action="Run `valerix verify`: it prints the check and the rows that break it.",
        dashboard="/d/valerix-live-demo",
    ),
)

_PROVIDERS = (
    AlertingRule(
        "WebhookLag",
        "valerix_webhook_lag_seconds > 60",
        "ticket",
        wait="1m",
        summary="Events of payment providers wait for their effect",
        numbers=f"The oldest one in the inbox has waited for {_WHOLE} s; an account that answers "
        "is asked within one.",
        not_affected="No event is lost, and payments are looked up without them at least every "
        "30 s.",
        action="See in the log of payment-service which provider does not answer; the events are "
        "worked off once it does.",
        dashboard="/d/valerix-orders",
    ),
    AlertingRule(
        "ReconciliationBreakOld",
        "valerix_reconciliation_break_age_seconds > 86400",
        "ticket",
        summary="A difference to a settlement file is open for more than a day",
        numbers="The oldest one was found {{ $value | humanizeDuration }} ago.",
        not_affected="Payments go on; a difference moves no money by itself.",
        action="Read it with GET /reconciliation-breaks?state=open, run `valerix reconcile` for "
        "its day, and accept what stays with a note.",
        dashboard="/d/valerix-orders",
    ),
)

_ACCOUNTS = (
    AlertingRule(
        "BreakerOpen",
        "max by (provider) (valerix_breaker_state) > 0",
        "ticket",
        # It opens for five seconds, and the first probe may take as long.
        wait="10s",
        summary="{{ $labels.provider }} is asked for no new money",
        numbers="Its breaker has been open for 10 s ({{ $value | printf `%.0f` }}): a probe has "
        "had time to fail.",
        not_affected="Payments go to the merchant's other accounts; captures, voids, refunds and "
        "finding out still pass.",
        action="See what the account answers, and whether a gremlin is active on it; the first "
        "probe that is answered closes the breaker.",
        dashboard=_PAYMENTS,
    ),
)

_EVENTS = (
    AlertingRule(
        "OutboxOld",
        "max(valerix_outbox_oldest_seconds) > 30",
        "page",
        wait="15s",
        summary="Events are not being published",
        numbers=f"The oldest one has waited for {_WHOLE} s; it takes well under one.",
        not_affected="Orders and payments go on: events wait in their outboxes, and none is lost.",
        action="See on the page of events whether a relay leads and what the bus answers; start "
        "the relay or the bus again, and what waits is published in its order.",
        dashboard=_FLOW,
    ),
    AlertingRule(
        "ConsumerLag",
        "max by (consumer) (valerix_consumer_lag_seconds) > 30",
        "ticket",
        wait="30s",
        summary="{{ $labels.consumer }} is behind",
        numbers=f"The oldest event that it has not taken happened {_WHOLE} s ago.",
        not_affected="Orders, payments and the other consumers go on; no event is lost.",
        action="See in its log why it takes nothing, and whether a gremlin is active on it; it "
        "catches up by itself.",
        dashboard=_FLOW,
    ),
    AlertingRule(
        "EventsParked",
        'sum by (consumer) (valerix_events_parked{kind="failed"}) > 0',
        "ticket",
        wait="15s",
        summary="{{ $labels.consumer }} has put events aside",
        numbers=f"{_WHOLE} events that it could not take after several tries.",
        not_affected="All other events; a consumer that keeps the order holds back what follows in "
        "the same order or payment alone.",
        action="Read the reason on the page of events, mend it, and press Replay.",
        dashboard=_FLOW,
    ),
    AlertingRule(
        "WebhooksDead",
        'max(valerix_webhook_deliveries{state="dead"}) > 0',
        "ticket",
        wait="15s",
        summary="Merchants were not told of events",
        numbers=f"{_WHOLE} webhooks were refused for a day.",
        not_affected="Payments, and all other webhooks: each is brought by itself.",
        action="See on the page of events what the receiver answers; tell the merchant, and press "
        "Replay, or remove the endpoint.",
        dashboard=_FLOW,
    ),
)

GROUPS = (
    RuleGroup("services", _SERVICES),
    RuleGroup("promises", _PROMISES),
    RuleGroup("providers", _PROVIDERS),
    RuleGroup("accounts", _ACCOUNTS),
    RuleGroup("events", _EVENTS),
)
