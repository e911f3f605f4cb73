"""What a process that publishes or takes events runs with, beside what every process needs."""

from typing import Annotated

from chassis.settings import Seconds, Settings, why


class MessagingSettings(Settings, frozen=True, kw_only=True):
    """Which transport there is: the embedded one, or a broker."""

    amqp_url: Annotated[
        str,
        why(
            "amqp://user:password@host:5672/ of a RabbitMQ. Empty: events travel through"
            " PostgreSQL, which needs nothing to be installed."
        ),
    ] = ""
    amqp_timeout_s: Annotated[
        Seconds,
        why("A broker that is well confirms within milliseconds; past 5 s it is away."),
    ] = 5.0
