"""Composes the webhook sender."""

from prometheus_client import CollectorRegistry

from chassis.http.edge import Edge
from chassis.messaging.consumer_app import consumer_app, consumer_database
from services.events.catalogue import TYPES
from services.events.webhook_sender import store
from services.events.webhook_sender.metrics import WebhookMetrics
from services.events.webhook_sender.routes import ROUTES
from services.events.webhook_sender.sender import WebhookSender
from services.events.webhook_sender.settings import WebhookSenderSettings

# What this service needs to have been migrated.
SCHEMA_REVISION = "0025"


def create_app(settings: WebhookSenderSettings) -> Edge:
    """The webhook sender as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = consumer_database(settings)
    sender = WebhookSender(database, settings, WebhookMetrics(registry))
    return consumer_app(
        name=store.CONSUMER,
        title="Valerix webhooks",
        schema="webhooks",
        settings=settings,
        registry=registry,
        database=database,
        types=store.TYPES,
        known=TYPES,
        is_ordered=False,
        effect=store.open_deliveries,
        loops=[sender.run, sender.watch],
        closes=[sender.close],
        routes=ROUTES,
        schema_revision=SCHEMA_REVISION,
        state={"database": database},
    )
