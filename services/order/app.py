"""Composes the order service."""

from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.outbound import Peer, peer_probe, same_shop_probe
from chassis.http.shop_identity import ShopIdentity
from chassis.messaging.doorbell import Doorbell
from services.inventory.client import InventoryClient
from services.order.checkout import Checkout
from services.order.metrics import BacklogGauges, OrderMetrics
from services.order.place_order import OrderPlacement
from services.order.reconciler import Reconciler
from services.order.routes import ROUTES
from services.order.settings import OrderSettings
from services.order.tables import SCHEMA_REVISION
from services.payment.client import PaymentClient, payment_over_grpc
from topology import find
from valerix.order.v1.order_service_pb2 import DESCRIPTOR

NAME = find("order").name
# The reconciler, its workers and the gauges share these; foreground traffic never uses them.
_REPAIR_POOL = 6
# One health answer asks once; a second may overlap it.
_PROBE_CONNECTIONS = 2


def create_app(
    settings: OrderSettings, *, inventory: Peer | None = None, payments: Peer | None = None
) -> Edge:
    """The order service as an ASGI app. Pure: nothing is opened before the lifespan.

    `inventory` and `payments` replace the wire to them, for foreground and repair alike."""
    registry = CollectorRegistry()
    metrics = OrderMetrics(registry)
    database, repair_database = Database(settings), Database(settings, size=_REPAIR_POOL)
    gremlins = Gremlins(NAME, "orders", settings, registry)
    gremlins.slows(repair_database)
    bell = Doorbell(gremlins.controls, [database, repair_database, gremlins.controls])

    def checkout(on: Database, stock: Peer, money: Peer) -> Checkout:
        return Checkout(on, InventoryClient(stock), PaymentClient(money), settings, metrics)

    identity, given = ShopIdentity(settings, database), (inventory, payments)
    front = _peers(settings, settings.peer_connections, given, identity)
    repair = _peers(settings, settings.repair_connections, given, identity)
    probes = _peers(settings, _PROBE_CONNECTIONS, given, None)
    foreground = checkout(database, *front)
    reconciler = Reconciler(
        repair_database, checkout(repair_database, *repair), settings, [*front, *repair]
    )
    return service_app(
        name=NAME,
        title="Valerix orders",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        identity=identity,
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        rpc=DESCRIPTOR.services_by_name["OrderService"],
        dependencies={
            peer.name: peer_probe(peer, as_shop, settings.probe_deadline_s)
            for peer, as_shop in zip(probes, repair, strict=True)
        },
        callees={p.name: same_shop_probe(p, settings.probe_deadline_s) for p in repair},
        loops=[*reconciler.workers(), BacklogGauges(repair_database, metrics).run, bell.run],
        closes=[repair_database.close, *(peer.close for peer in [*front, *repair, *probes])],
        state={
            "database": database,
            "checkout": foreground,
            "placement": OrderPlacement(database, foreground, reconciler, settings, metrics),
        },
    )


def _peer(key: str, settings: OrderSettings, connections: int) -> Peer:
    if key == "payment" and settings.payment_transport == "grpc":
        return payment_over_grpc(
            settings.urls[key], settings.payment_grpc_url, settings, connections=connections
        )
    return Peer(find(key).name, settings.urls[key], settings, connections=connections)


def _peers(
    settings: OrderSettings,
    connections: int,
    given: tuple[Peer | None, ...],
    identity: ShopIdentity | None,
) -> list[Peer]:
    """Inventory and payments, or what was given in their place; asked as this shop, if an identity
    is named."""
    peers = [
        known or _peer(key, settings, connections)
        for key, known in zip(find("order").calls, given, strict=True)
    ]
    for each in peers:
        each.identity = identity or each.identity
    return peers
