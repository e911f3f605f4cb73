"""What the metrics consumer runs with: what every consumer needs, and nothing else yet."""

from chassis.messaging.settings import MessagingSettings


class MetricsConsumerSettings(MessagingSettings, frozen=True, kw_only=True):
    """It has no setting of its own."""
