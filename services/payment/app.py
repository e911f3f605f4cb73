"""Composes the payment service."""

import asyncio
from collections.abc import Mapping

import msgspec
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.shop_identity import ShopIdentity
from chassis.settings import BadSetting
from services.payment.breakers.breakers import Breakers
from services.payment.connectors import Connector
from services.payment.connectors.flaky import Flaky, parse_shares
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.late_captures import LateCaptures
from services.payment.metrics import PaymentMetrics
from services.payment.operations import PaymentContext
from services.payment.reconciler import AT_ONCE, payment_reconciler
from services.payment.routes import ROUTES
from services.payment.settings import PaymentSettings
from services.payment.tables import SCHEMA_REVISION
from topology import find

NAME = find("payment").name
# The reconciler and the late captures take turns on these; foreground traffic never waits for them.
_REPAIR_POOL = AT_ONCE + 1


def create_app(
    settings: PaymentSettings,
    *,
    connector: Connector | None = None,
    accounts: Mapping[str, Connector] | None = None,
) -> Edge:
    """The payment service as an ASGI app. Pure: nothing is opened before the lifespan. `accounts`
    has the connectors of accounts outside this process.

    Raises `BadSetting` when the connector's settings cannot be used."""
    registry = CollectorRegistry()
    database = Database(settings)
    repair_database = Database(settings, size=_REPAIR_POOL)
    metrics = PaymentMetrics(Database(settings, size=1), registry)
    provider = connector or connector_of(settings)
    context = PaymentContext(
        database=database,
        connector=provider,
        metrics=metrics,
        gateway_timeout_s=settings.payment_gateway_timeout_s,
        probe_base_s=settings.payment_probe_base_s,
        breakers=Breakers(database, registry),
        accounts=stripe_accounts(settings) if accounts is None else accounts,
    )
    repair_context = msgspec.structs.replace(context, database=repair_database)
    gremlins = Gremlins(NAME, "payments", settings, registry)
    gremlins.slows(repair_database)
    reconciler = payment_reconciler(repair_context, settings)
    sweep = LateCaptures(repair_context)
    providers = (provider, *context.accounts.values())
    return service_app(
        name=NAME,
        title="Valerix payments",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        identity=ShopIdentity(settings, database),
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=[reconciler.run, metrics.run, sweep.run, context.breakers.run],
        closes=[*(each.close for each in providers), repair_database.close, metrics.close],
        # Two what-ifs at once would keep payments waiting.
        state={"context": context, "what_ifs": asyncio.Semaphore(1)},
    )


def stripe_accounts(settings: PaymentSettings) -> dict[str, Connector]:
    """The accounts behind Stripe's API; the library is imported only where there are any."""
    named = [each.strip() for each in settings.payment_stripe_accounts.split(",") if each.strip()]
    keys = dict(each.split("=", 1) for each in named if "=" in each)
    if len(keys) != len(named) or not all(name and key for name, key in keys.items()):
        raise BadSetting("VALERIX_PAYMENT_STRIPE_ACCOUNTS cannot be used: it is name=key,name=key")
    if not keys:
        return {}
    try:
        from services.payment.connectors.stripe_api import StripeAccount
    except ImportError:
        raise BadSetting(
            "VALERIX_PAYMENT_STRIPE_ACCOUNTS needs the official library: install valerix[stripe]"
        ) from None
    url = settings.payment_stripe_url or None
    return {name: StripeAccount(name, key, url) for name, key in keys.items()}


def connector_of(settings: PaymentSettings) -> Connector:
    """The provider the settings ask for; what only another one would need must be valid as well."""
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
