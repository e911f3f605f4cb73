"""Composes the order service."""

from prometheus_client import CollectorRegistry

from chassis.app import service_app
from chassis.database import Database
from chassis.edge import Edge
from chassis.gremlins import Gremlins
from chassis.health import peer_probe
from chassis.outbound import Peer
from chassis.settings import Settings
from services.inventory.client import InventoryClient
from services.order.checkout import Checkout
from services.order.metrics import BacklogGauges, OrderMetrics
from services.order.placing import Placing
from services.order.reconciler import Reconciler
from services.order.routes import ROUTES
from services.order.tables import SCHEMA_REVISION
from services.payment.client import PaymentClient

NAME = "order-service"
# The reconciler, its workers and the gauges take turns on these; foreground traffic never does.
_REPAIR_POOL = 6


def create_app(
    settings: Settings, *, inventory: Peer | None = None, payments: Peer | None = None
) -> Edge:
    """The order service as an ASGI app. Pure: nothing is opened before the lifespan.

    `inventory` and `payments` replace the wire to them, for foreground and repair alike."""
    registry = CollectorRegistry()
    metrics = OrderMetrics(registry)
    database, repair_database = Database(settings), Database(settings, size=_REPAIR_POOL)
    to_inventory = inventory or Peer("inventory-service", settings.inventory_url, settings)
    to_payments = payments or Peer("payment-service", settings.payment_url, settings)
    repair = settings.repair_connections
    repair_inventory = inventory or Peer(
        "inventory-service", settings.inventory_url, settings, connections=repair
    )
    repair_payments = payments or Peer(
        "payment-service", settings.payment_url, settings, connections=repair
    )
    probes = [
        Peer("inventory-service", settings.inventory_url, settings, connections=2),
        Peer("payment-service", settings.payment_url, settings, connections=2),
    ]
    peers = [to_inventory, to_payments, repair_inventory, repair_payments]

    def checkout(on: Database, stock: Peer, money: Peer) -> Checkout:
        return Checkout(on, InventoryClient(stock), PaymentClient(money), settings, metrics)

    gremlins = Gremlins(NAME, "orders", settings, registry)
    gremlins.slows(repair_database)
    foreground = checkout(database, to_inventory, to_payments)
    reconciler = Reconciler(
        repair_database, checkout(repair_database, repair_inventory, repair_payments), settings,
        peers,
    )  # fmt: skip
    return service_app(
        name=NAME,
        title="Valerix orders",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        dependencies={p.name: peer_probe(p, settings.probe_deadline_s) for p in probes},
        loops=[
            reconciler.run,
            *reconciler.handed_workers(),
            BacklogGauges(repair_database, metrics).run,
        ],
        closes=[repair_database.close, *(peer.close for peer in [*peers, *probes])],
        state={
            "database": database,
            "checkout": foreground,
            "placing": Placing(database, foreground, reconciler, settings, metrics),
        },
    )
