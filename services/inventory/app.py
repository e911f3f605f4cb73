"""Composes the inventory service."""

from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.shop_identity import ShopIdentity
from chassis.messaging.doorbell import Doorbell
from services.inventory.metrics import StockGauges
from services.inventory.routes import ROUTES
from services.inventory.settings import InventorySettings
from services.inventory.tables import SCHEMA_REVISION
from topology import find

NAME = find("inventory").name


def create_app(settings: InventorySettings) -> Edge:
    """The inventory service as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = Database(settings)
    gauges_database = Database(settings, size=1)
    gremlins = Gremlins(NAME, "inventory", settings, registry)
    bell = Doorbell(gremlins.controls, [database, gremlins.controls])
    return service_app(
        name=NAME,
        title="Valerix inventory",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        identity=ShopIdentity(settings, database),
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=[StockGauges(gauges_database, registry).run, bell.run],
        closes=[gauges_database.close],
        state={"database": database},
    )
