"""Composes the payment service."""

import asyncio
from collections.abc import Mapping

import msgspec
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import Loop, service_app
from chassis.http.edge import Edge
from chassis.http.outbound import Peer, peer_probe, same_shop_probe
from chassis.http.shop_identity import ShopIdentity
from chassis.messaging.doorbell import Doorbell
from chassis.service_credential import ServiceCredential
from chassis.settings import BadSetting
from gateways import Connector, OutsideAccount
from gateways.stripe_contract import OUTSIDE_CONTRACTS
from services.payment.breakers.breakers import Breakers
from services.payment.connectors.flaky import Flaky, parse_shares
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.connectors.wallet import Wallets
from services.payment.context import PaymentContext
from services.payment.late_captures import LateCaptures
from services.payment.metrics import PaymentMetrics
from services.payment.process.replacing import replace_plan
from services.payment.reconciler import AT_ONCE, payment_reconciler
from services.payment.reconciliation.run import Reconciliation
from services.payment.routes import ROUTES
from services.payment.routing.usual_times import UsualTimes
from services.payment.settings import PaymentSettings
from services.payment.tables import SCHEMA_REVISION
from services.payment.webhooks import effects
from services.payment.webhooks.effects import event_worker
from services.payment.webhooks.endpoints import WebhookEndpoints
from services.wallet.client import WalletClient
from topology import find
from valerix.payment.v1.payment_service_pb2 import DESCRIPTOR

__all__ = ["OUTSIDE_CONTRACTS", "create_app"]
NAME = find("payment").name
# The reconciler, the late captures, the events and the settlement files take turns on these;
# foreground traffic never waits for them.
_REPAIR_POOL = AT_ONCE + effects.AT_ONCE + 1
# One health answer asks once; a second may overlap it.
_PROBE_CONNECTIONS = 2


def create_app(
    settings: PaymentSettings,
    *,
    connector: Connector | None = None,
    accounts: Mapping[str, OutsideAccount] | None = None,
    wallets: Peer | None = None,
) -> Edge:
    """The payment service as an ASGI app. Pure: nothing is opened before the lifespan. `accounts`
    has the connectors of accounts outside this process, `wallets` replaces the wire to the wallet
    service.

    Raises `BadSetting` when the connector's settings cannot be used."""
    registry = CollectorRegistry()
    database = Database(settings)
    identity = ShopIdentity(settings, database)
    front, repair, probe = _wallet_peers(settings, wallets, identity)
    repair_database = Database(settings, size=_REPAIR_POOL)
    metrics = PaymentMetrics(Database(settings, size=1), registry)
    provider = connector or connector_of(settings)
    outside = stripe_accounts(settings) if accounts is None else accounts
    context = _context(settings, database, registry, metrics, provider, outside, front)
    wallets_of_repair = Wallets(WalletClient(repair, settings.wallet_api_key))
    repair_context = msgspec.structs.replace(
        context, database=repair_database, wallets=wallets_of_repair
    )
    gremlins = Gremlins(NAME, "payments", settings, registry)
    gremlins.slows(repair_database)
    bell = Doorbell(gremlins.controls, [database, repair_database, gremlins.controls])
    closes = [each.close for each in (provider, *outside.values())]
    closes += [peer.close for peer in (front, repair, probe)]
    return service_app(
        name=NAME,
        title="Valerix payments",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        identity=identity,
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        rpc=DESCRIPTOR.services_by_name["PaymentService"],
        dependencies={probe.name: peer_probe(probe, repair, settings.probe_deadline_s)},
        callees={repair.name: same_shop_probe(repair, settings.probe_deadline_s)},
        loops=[*_loops(repair_context, settings), metrics.run, context.breakers.run, bell.run],
        closes=[*closes, repair_database.close, metrics.close],
        state=_state(context, settings),
    )


def _context(
    settings: PaymentSettings,
    database: Database,
    registry: CollectorRegistry,
    metrics: PaymentMetrics,
    provider: Connector,
    outside: Mapping[str, OutsideAccount],
    wallets: Peer,
) -> PaymentContext:
    return PaymentContext(
        database=database,
        connector=provider,
        metrics=metrics,
        gateway_timeout_s=settings.payment_gateway_timeout_s,
        probe_base_s=settings.payment_probe_base_s,
        breakers=Breakers(database, registry),
        usual=UsualTimes(),
        accounts=outside,
        wallets=Wallets(WalletClient(wallets, settings.wallet_api_key)),
        planner=replace_plan,
    )


def _wallet_peers(
    settings: PaymentSettings, given: Peer | None, identity: ShopIdentity
) -> tuple[Peer, Peer, Peer]:
    """The wallet service as requests, repair and health ask it; the first two as this shop."""
    front, repair, probe = (
        given or Peer(find("wallet").name, settings.urls["wallet"], settings, connections=most)
        for most in (settings.peer_connections, AT_ONCE, _PROBE_CONNECTIONS)
    )
    front.identity = repair.identity = identity
    return front, repair, probe


def _state(context: PaymentContext, settings: PaymentSettings) -> dict[str, object]:
    """What handlers work with."""
    return {
        "context": context,
        "reconciliation": Reconciliation(context, settings),
        # Two what-ifs at once would keep payments waiting.
        "what_ifs": asyncio.Semaphore(1),
    }


def _loops(context: PaymentContext, settings: PaymentSettings) -> list[Loop]:
    """What finishes payments; and what providers outside this process are there for: events, and a
    settlement file a day."""
    repair: list[Loop] = [payment_reconciler(context, settings).run, LateCaptures(context).run]
    if not context.accounts:
        return repair
    rooms = (
        event_worker(context, settings),
        WebhookEndpoints(context, settings),
        Reconciliation(context, settings),
    )
    return [*repair, *(each.run for each in rooms)]


def stripe_accounts(settings: PaymentSettings) -> dict[str, OutsideAccount]:
    """The accounts behind Stripe's API; the library is imported only where there are any."""
    named = [each.strip() for each in settings.payment_stripe_accounts.split(",") if each.strip()]
    keys = dict(each.split("=", 1) for each in named if "=" in each)
    if len(keys) != len(named) or not all(name and key for name, key in keys.items()):
        raise BadSetting("VALERIX_PAYMENT_STRIPE_ACCOUNTS cannot be used: it is name=key,name=key")
    if not keys:
        return {}
    # A second of imports, which a shop without such accounts need not wait for.
    from gateways.stripe_api import StripeAccount

    url = settings.payment_stripe_url
    if not url:
        url, credential = settings.urls["acquirer"], ServiceCredential(settings)
        keys = {name: credential.key_for(key) for name, key in keys.items()}
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
