"""Composes the payment service."""

import msgspec
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from services.payment.charging import PaymentContext
from services.payment.connectors import Connector
from services.payment.connectors.flaky import Flaky, parse_shares
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.late_captures import LateCaptures
from services.payment.metrics import PaymentMetrics
from services.payment.reconciler import AT_ONCE, PaymentReconciler
from services.payment.routes import ROUTES
from services.payment.settings import PaymentSettings
from services.payment.tables import SCHEMA_REVISION

NAME = "payment-service"
# The prober and the sweep take turns on these; foreground traffic never waits for them.
_REPAIR_POOL = AT_ONCE + 1


def create_app(settings: PaymentSettings, *, connector: Connector | None = None) -> Edge:
    """The payment service as an ASGI app. Pure: nothing is opened before the lifespan.

    Raises `BadSetting` when the connector's settings cannot be used."""
    registry = CollectorRegistry()
    database = Database(settings)
    repair_database = Database(settings, size=_REPAIR_POOL)
    meters = PaymentMetrics(Database(settings, size=1), registry)
    provider = connector or connector_of(settings)
    desk = PaymentContext(
        database=database,
        connector=provider,
        meters=meters,
        gateway_timeout_s=settings.payment_gateway_timeout_s,
        probe_base_s=settings.payment_probe_base_s,
    )
    repair_desk = msgspec.structs.replace(desk, database=repair_database)
    gremlins = Gremlins(NAME, "payments", settings, registry)
    gremlins.slows(repair_database)
    loops = [PaymentReconciler(repair_desk, settings).run, meters.run]
    if not provider.fences:
        # A fencing provider cannot capture behind a void's back: there is nothing to sweep.
        loops.append(LateCaptures(repair_desk).run)
    return service_app(
        name=NAME,
        title="Valerix payments",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=loops,
        closes=[provider.close, repair_database.close, meters.close],
        state={"desk": desk},
    )


def connector_of(settings: PaymentSettings) -> Connector:
    """The provider the settings ask for; what another would need has to make sense as well."""
    shares = parse_shares(settings.payment_flaky_shares)
    mock = Mock(
        MockStore(settings),
        decline_rate=settings.payment_decline_rate,
        seed=settings.payment_seed,
        fences=settings.payment_gateway_fences,
    )
    if settings.payment_connector == "mock":
        return mock
    return Flaky(
        mock,
        shares=shares,
        seed=settings.payment_seed,
        late_s=settings.payment_late_capture_s,
    )
