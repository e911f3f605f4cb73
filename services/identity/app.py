"""Composes the identity service."""

from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from chassis.http.shop_identity import ShopIdentity
from chassis.identity.keys import PublishedKeys
from chassis.messaging.doorbell import Doorbell
from services.identity.logins import Logins
from services.identity.oauth import Grants
from services.identity.routes import ROUTES
from services.identity.settings import IdentitySettings
from services.identity.signing_keys import SigningKeys
from services.identity.tables import SCHEMA_REVISION
from services.identity.tokens import Mint
from topology import find

NAME = find("identity").name


def create_app(settings: IdentitySettings) -> Edge:
    """The identity service as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = Database(settings)
    shop = ShopIdentity(settings, database)
    gremlins = Gremlins(NAME, "identity", settings, registry)
    # On the connections that no gremlin slows: a key turns in time whatever bites.
    keys = SigningKeys(gremlins.controls, settings)
    mint = Mint(keys, settings, shop)
    logins = Logins(database, settings, mint)
    return service_app(
        name=NAME,
        title="Valerix identity",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        identity=shop,
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=[keys.run, Doorbell(gremlins.controls, [database, gremlins.controls]).run],
        token_keys=PublishedKeys("", settings.identity_keys_every_s, fetch=keys.published),
        state={
            "database": database,
            "keys": keys,
            "logins": logins,
            "grants": Grants(settings, keys, mint, logins),
        },
    )
