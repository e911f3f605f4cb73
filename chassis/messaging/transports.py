"""Which transport a process uses: a broker where one is named, PostgreSQL otherwise."""

from collections.abc import Mapping

from chassis.database.pool import Connection, Database
from chassis.messaging.settings import MessagingSettings
from chassis.messaging.transport import Publisher, Subscription


def queue_of(schema: str) -> str:
    """At a broker, the queue of the consumer that has this schema."""
    return f"{schema}.queue"


async def open_publisher(
    settings: MessagingSettings, queues: Mapping[str, tuple[str, ...]], connection: Connection
) -> Publisher:
    """The publisher of whoever leads on this connection; `queues` are those of all consumers, with
    the types each takes."""
    if settings.amqp_url:
        # Only who uses a broker pays for its client.
        from chassis.messaging.rabbitmq import RabbitPublisher

        return await RabbitPublisher.open(settings.amqp_url, settings.amqp_timeout_s, queues)
    from chassis.messaging.postgres import PostgresPublisher

    return await PostgresPublisher(connection).open()


def subscription(
    settings: MessagingSettings,
    database: Database,
    consumer: str,
    *,
    schema: str,
    types: tuple[str, ...],
) -> Subscription:
    """The deliveries of a consumer."""
    if settings.amqp_url:
        from chassis.messaging.rabbitmq import RabbitSubscription

        return RabbitSubscription(
            settings.amqp_url, settings.amqp_timeout_s, queue_of(schema), types
        )
    from chassis.messaging.postgres import PostgresSubscription

    return PostgresSubscription(database, consumer)
