"""Which transport a process uses: a broker where one is named, PostgreSQL otherwise."""

from chassis.database.pool import Connection, Database
from chassis.messaging.settings import MessagingSettings
from chassis.messaging.transport import Publisher, Subscription


async def open_publisher(settings: MessagingSettings, connection: Connection) -> Publisher:
    """The publisher of whoever leads on this connection."""
    if settings.amqp_url:
        # Only who uses a broker pays for its client.
        from chassis.messaging.rabbitmq import RabbitPublisher

        return await RabbitPublisher.open(settings.amqp_url, settings.amqp_timeout_s)
    from chassis.messaging.postgres import PostgresPublisher

    return PostgresPublisher(connection)


def subscription(
    settings: MessagingSettings,
    database: Database,
    consumer: str,
    *,
    queue: str,
    types: tuple[str, ...],
) -> Subscription:
    """The deliveries of a consumer."""
    if settings.amqp_url:
        from chassis.messaging.rabbitmq import RabbitSubscription

        return RabbitSubscription(settings.amqp_url, settings.amqp_timeout_s, queue, types)
    from chassis.messaging.postgres import PostgresSubscription

    return PostgresSubscription(database, consumer)
