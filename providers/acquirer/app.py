"""Composes the acquirer."""

import asyncio
import random
from datetime import UTC, datetime

import msgspec
from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge
from providers.acquirer import key_store
from providers.acquirer.api import answer_refusal
from providers.acquirer.execute import Context, FingerprintKey
from providers.acquirer.metrics import AcquirerMetrics
from providers.acquirer.routes import ROUTES
from providers.acquirer.settings import AcquirerSettings
from providers.acquirer.tables import SCHEMA_REVISION
from providers.acquirer.webhooks import Deliverer

# For the deliveries of webhooks, which must not take the requests' connections, and the purge.
_BACKGROUND_POOL = 3


def create_app(settings: AcquirerSettings) -> Edge:
    """The acquirer as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry, name = CollectorRegistry(), settings.service
    database = Database(settings)
    background = Database(settings, size=_BACKGROUND_POOL)
    context = Context(
        database=database,
        settings=settings,
        metrics=AcquirerMetrics(registry),
        fingerprint_key=FingerprintKey(database),
        chance=random.Random(),  # noqa: S311 - which card is declined is no secret
        now=lambda: datetime.now(UTC),
    )
    deliverer = Deliverer(msgspec.structs.replace(context, database=background))
    gremlins = Gremlins(name, "acquirer", settings, registry)
    gremlins.slows(background)

    async def purge_keys() -> None:
        while True:
            async with background.connect() as connection:
                await key_store.purge(connection, settings.acquirer_key_ttl_s)
            await asyncio.sleep(settings.acquirer_key_purge_s)

    return service_app(
        name=name,
        title="Acquirer: a card payment provider that speaks Stripe's API",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        gremlins=gremlins,
        schema_revision=SCHEMA_REVISION,
        loops=[deliverer.run, purge_keys],
        closes=[deliverer.close, background.close],
        state={"context": context},
        exception_handlers={Exception: answer_refusal},
    )
