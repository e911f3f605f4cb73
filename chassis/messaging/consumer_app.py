"""What a process that takes events is made of, beside what every service is made of."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from chassis.database.pace import PollPace
from chassis.database.pool import Database
from chassis.faults.gremlins import Gremlins
from chassis.http.app import Close, Loop, service_app
from chassis.http.edge import Edge
from chassis.http.shop_identity import ShopIdentity
from chassis.messaging.consumer import Consumer, Effect
from chassis.messaging.consumer_metrics import ConsumerMetrics
from chassis.messaging.doorbell import Doorbell
from chassis.messaging.faults import DeliveryFaults
from chassis.messaging.inbox import Inbox
from chassis.messaging.settings import MessagingSettings
from chassis.messaging.transports import subscription

# One listens, one takes, one looks at what is parked, one answers requests.
_CONNECTIONS = 4
_LOOK_EVERY_S = 2.0


def consumer_app(
    *,
    name: str,
    title: str,
    schema: str,
    settings: MessagingSettings,
    registry: CollectorRegistry,
    database: Database,
    types: tuple[str, ...],
    known: Mapping[str, type],
    is_ordered: bool,
    effect: Effect,
    loops: Sequence[Loop] = (),
    closes: Sequence[Close] = (),
    **service: Any,
) -> Edge:
    """Compose a consumer. Pure, as `service_app` is, which takes the rest."""
    metrics = ConsumerMetrics(name, registry)
    gremlins = Gremlins(name, schema, settings, registry, takes_events=True)
    inbox = Inbox(name, types, is_ordered=is_ordered)
    deliveries = subscription(settings, database, name, schema=schema, types=types)
    consumer = Consumer(
        inbox,
        types=types,
        known=known,
        is_ordered=is_ordered,
        effect=effect,
        database=database,
        subscription=deliveries,
        metrics=metrics,
        faults=DeliveryFaults(gremlins),
    )
    return service_app(
        name=name,
        title=title,
        settings=settings,
        registry=registry,
        database=database,
        identity=ShopIdentity(settings, database),
        gremlins=gremlins,
        loops=[
            consumer.run,
            partial(_show_parked, database, inbox, metrics),
            Doorbell(gremlins.controls, [gremlins.controls]).run,
            *loops,
        ],
        closes=[deliveries.close, *closes],
        **service,
    )


async def _show_parked(database: Database, inbox: Inbox, metrics: ConsumerMetrics) -> None:
    pace = PollPace(database, _LOOK_EVERY_S)
    while True:
        async with database.connect() as connection:
            metrics.show_parked(*await inbox.parked(connection))
        await pace.wait()


def consumer_database(settings: MessagingSettings) -> Database:
    """A pool as small as a consumer's needs."""
    return Database(settings, size=_CONNECTIONS)
