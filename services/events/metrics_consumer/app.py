"""Composes the metrics consumer."""

from prometheus_client import CollectorRegistry

from chassis.http.edge import Edge
from chassis.messaging.consumer_app import consumer_app, consumer_database
from services.events.catalogue import TYPES, types_of
from services.events.metrics_consumer.counters import BusinessCounters, count
from services.events.metrics_consumer.settings import MetricsConsumerSettings
from topology import find

NAME = find("metrics_consumer").name
# What this service needs to have been migrated.
SCHEMA_REVISION = "0018"


def create_app(settings: MetricsConsumerSettings) -> Edge:
    """The metrics consumer as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = consumer_database(settings)
    return consumer_app(
        name=NAME,
        title="Valerix business counters",
        schema="metrics",
        settings=settings,
        registry=registry,
        database=database,
        types=types_of("metrics_consumer"),
        known=TYPES,
        is_ordered=False,
        effect=count,
        loops=[BusinessCounters(database, registry).run],
        routes=[],
        schema_revision=SCHEMA_REVISION,
    )
