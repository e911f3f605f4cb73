"""Composes the relay."""

from functools import partial

from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.shop_identity import ShopIdentity
from chassis.messaging.doorbell import Doorbell
from chassis.messaging.transports import open_publisher, queue_of
from services.events.catalogue import types_of
from services.events.relay.metrics import RelayMetrics
from services.events.relay.relay import Relay
from services.events.relay.routes import ROUTES
from services.events.relay.settings import RelaySettings
from topology import SHOP, find

NAME = find("relay").name
# What this service needs to have been migrated.
SCHEMA_REVISION = "0018"
# A person who looks, and the probes of health.
_CONNECTIONS = 4


def create_app(settings: RelaySettings) -> Edge:
    """The relay as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = Database(settings, size=_CONNECTIONS)
    leading = Database(settings, size=1)
    sources = {process.schema: process.name for process in SHOP if process.schema}
    queues = {queue_of(each.schema or ""): types_of(each.key) for each in SHOP if each.takes_events}
    gremlins = Gremlins(NAME, "events", settings, registry)
    publisher = partial(open_publisher, settings, queues)
    relay = Relay(leading, settings, sources, publisher, RelayMetrics(registry))
    return service_app(
        name=NAME,
        title="Valerix events",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        identity=ShopIdentity(settings, database),
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=[relay.run, Doorbell(gremlins.controls, [gremlins.controls]).run],
        closes=[leading.close],
        state={"database": database, "sources": sources, "relay": relay},
    )
