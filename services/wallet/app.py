"""Composes the wallet service."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.shop_identity import ShopIdentity
from chassis.messaging.doorbell import Doorbell
from chassis.service_credential import ServiceCredential
from services.wallet.answers import answer_in_capitals
from services.wallet.api_keys import ApiKeys
from services.wallet.breaker import Breaker
from services.wallet.gateway import Gateway, GatewayAccount
from services.wallet.hold_routes import HOLD_ROUTES
from services.wallet.holding import Holds
from services.wallet.key_routes import KEY_ROUTES
from services.wallet.metrics import WaitingGauges, WalletMetrics
from services.wallet.moving import Movements
from services.wallet.paying import WalletPayments
from services.wallet.reconciler import AT_ONCE, WalletReconciler
from services.wallet.routes import ROUTES
from services.wallet.sealer import Sealer
from services.wallet.settings import WalletSettings
from services.wallet.tables import SCHEMA_REVISION
from topology import find

NAME = find("wallet").name
# The reconciler's places, the sealer and the gauges; foreground traffic never waits for them.
_REPAIR_POOL = AT_ONCE + 2


def create_app(
    settings: WalletSettings, *, make_account: Callable[[], GatewayAccount] | None = None
) -> Edge:
    """The wallet service as an ASGI app. Pure: nothing is opened before the lifespan.
    `make_account` replaces the account at the gateway."""
    registry = CollectorRegistry()
    database, repair_database = Database(settings), Database(settings, size=_REPAIR_POOL)
    metrics = WalletMetrics(registry)
    gateway = Gateway(
        make_account or (lambda: _stripe_account(settings)),
        Breaker(registry),
        metrics,
        settings.wallet_gateway_timeout_s,
    )
    gremlins = Gremlins(NAME, "wallets", settings, registry)
    gremlins.slows(repair_database)
    sealer = Sealer(repair_database, settings.wallet_seal_every_s)
    payments = WalletPayments(database, gateway, settings, metrics)
    repair = WalletPayments(repair_database, gateway, settings, metrics)
    reconciler = WalletReconciler(repair_database, repair, gateway, settings)
    api_keys = ApiKeys(database, settings)

    return service_app(
        name=NAME,
        title="Valerix wallets",
        settings=settings,
        registry=registry,
        routes=[*ROUTES, *HOLD_ROUTES, *KEY_ROUTES],
        database=database,
        identity=ShopIdentity(settings, database),
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=[
            api_keys.announce,
            sealer.run,
            reconciler.worker.run,
            WaitingGauges(repair_database, metrics).run,
            Doorbell(gremlins.controls, [database, repair_database, gremlins.controls]).run,
        ],
        closes=[gateway.close, repair_database.close],
        state={
            "database": database,
            "payments": payments,
            "holds": Holds(database, sealer),
            "movements": Movements(database, sealer, settings),
            "api_keys": api_keys,
        },
        exception_handlers={Exception: answer_in_capitals},
    )


def _stripe_account(settings: WalletSettings) -> GatewayAccount:
    # A second of imports, at the first payment.
    from gateways.stripe_api import StripeAccount

    url, key = settings.wallet_gateway_url, settings.wallet_gateway_key
    if not url:
        url, key = settings.urls["acquirer"], ServiceCredential(settings).key_for(key)
    return StripeAccount("wallets", key, url)
