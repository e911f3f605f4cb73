"""Composes the audit consumer."""

from prometheus_client import CollectorRegistry

from chassis.http.edge import Edge
from chassis.messaging.consumer_app import consumer_app, consumer_database
from services.events.audit_consumer import log
from services.events.audit_consumer.routes import ROUTES
from services.events.audit_consumer.settings import AuditConsumerSettings
from services.events.catalogue import TYPES, types_of
from topology import find

NAME = find("audit_consumer").name
# What this service needs to have been migrated.
SCHEMA_REVISION = "0028"


def create_app(settings: AuditConsumerSettings) -> Edge:
    """The audit consumer as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = consumer_database(settings)
    return consumer_app(
        name=NAME,
        title="Valerix audit log",
        schema="audit",
        settings=settings,
        registry=registry,
        database=database,
        types=types_of("audit_consumer"),
        known=TYPES,
        is_ordered=True,
        effect=log.write,
        routes=ROUTES,
        schema_revision=SCHEMA_REVISION,
        state={"database": database},
    )
