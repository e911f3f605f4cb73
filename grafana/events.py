"""Events: what waits to be published, how far each consumer is, what was put aside."""

from grafana import panels
from grafana.board import Board
from grafana.palette import FAILED, GOOD, NONE
from grafana.panels import Panel, PanelHead
from grafana.queries import instant, over_time
from grafana.signals import EACH
from grafana.style import nan_label, value_labels


def _now() -> tuple[Panel, ...]:
    return (
        panels.figures(
            PanelHead(
                "On their way",
                "Events that are committed and not published; that are published and have not "
                "taken effect in some consumer; that were put aside.",
                12,
                7,
            ),
            "short",
            instant("max(valerix_outbox_unpublished)", "unpublished", "A"),
            instant("max(valerix_consumer_lag)", "behind", "B"),
            instant("sum(valerix_events_parked)", "parked", "C"),
            steps=[(None, NONE), (0, GOOD), (1, NONE)],
            meanings=[value_labels({"0": ("● none", GOOD)}), nan_label("○ unknown")],
            decimals=0,
        ),
        panels.stretches(
            PanelHead("Relay", "When one relay led; between, events wait.", 12, 7),
            "short",
            over_time("sum(valerix_relay_leads)", "leads"),
            on=GOOD,
            no_value="no relay ran",
        ),
    )


def _flow() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Published", "Events per second that the bus confirmed, by type.", 8, 7),
            "suffix: events/s",
            over_time(f"sum by (type) (rate(valerix_events_published_total{EACH}))", "{{type}}"),
            many=True,
        ),
        panels.lines(
            PanelHead("Taken", "Events per second that took effect, by consumer.", 8, 7),
            "suffix: events/s",
            over_time(
                f"sum by (consumer) (rate(valerix_events_consumed_total{EACH}))", "{{consumer}}"
            ),
            many=True,
        ),
        panels.lines(
            PanelHead("From change to effect", "P99 of the time until an event took effect.", 8, 7),
            "s",
            over_time(
                "histogram_quantile(0.99, sum by (le, consumer)"
                f" (rate(valerix_event_delay_seconds_bucket{EACH})))",
                "{{consumer}}",
            ),
            many=True,
        ),
    )


def _waiting() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead("Outbox", "Age of the oldest event that is not published.", 8, 7),
            "s",
            over_time("max(valerix_outbox_oldest_seconds)", "oldest"),
        ),
        panels.lines(
            PanelHead("Lag", "Age of the oldest event that a consumer has not taken.", 8, 7),
            "s",
            over_time("max by (consumer) (valerix_consumer_lag_seconds)", "{{consumer}}"),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Parked",
                "Events put aside: those that failed, and those that wait for an earlier one.",
                8,
                7,
            ),
            "short",
            over_time("sum by (consumer, kind) (valerix_events_parked)", "{{consumer}} {{kind}}"),
            many=True,
        ),
    )


def _bus() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead(
                "Tried again",
                "Per second: events that the bus did not take; that it lost and were published "
                "again; deliveries of what had taken effect before.",
                12,
                7,
            ),
            "suffix: events/s",
            over_time(f"sum(rate(valerix_events_refused_total{EACH}))", "refused", "A"),
            over_time(f"sum(rate(valerix_events_redelivered_total{EACH}))", "lost", "B"),
            over_time(f"sum(rate(valerix_events_duplicate_total{EACH}))", "twice", "C"),
            colours={"refused": FAILED},
        ),
        panels.lines(
            PanelHead(
                "RabbitMQ's queues",
                "Messages in each queue, ready or not yet acknowledged, where RabbitMQ is the bus.",
                12,
                7,
            ),
            "short",
            over_time(
                "sum by (queue) (rabbitmq_detailed_queue_messages) or"
                ' label_replace(sum(rabbitmq_queue_messages), "queue", "all", "", "")',
                "{{queue}}",
            ),
            many=True,
        ),
    )


def _webhooks() -> tuple[Panel, ...]:
    return (
        panels.lines(
            PanelHead(
                "Webhooks",
                "Attempts per second to bring an event to a merchant: sent, refused (it is tried "
                "again), dead after a day, or the receiver is gone.",
                12,
                7,
            ),
            "suffix: /s",
            over_time(
                f"sum by (result) (rate(valerix_webhook_attempts_total{EACH}))", "{{result}}"
            ),
            many=True,
        ),
        panels.lines(
            PanelHead(
                "Webhooks on their way",
                "Deliveries that wait for their next attempt, and those that are dead.",
                12,
                7,
            ),
            "short",
            over_time('max(valerix_webhook_deliveries{state="waiting"})', "waiting", "A"),
            over_time('max(valerix_webhook_deliveries{state="dead"})', "dead", "B"),
            colours={"dead": FAILED},
        ),
    )


BOARD = Board(
    "events",
    "Valerix: events",
    "What waits to be published, how far each consumer is, and what was put aside.",
    (*_now(), *_flow(), *_waiting(), *_bus(), *_webhooks()),
)
