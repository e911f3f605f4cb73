"""What the audit consumer runs with: what every consumer needs, and nothing else yet."""

from chassis.messaging.settings import MessagingSettings


class AuditConsumerSettings(MessagingSettings, frozen=True, kw_only=True):
    """It has no setting of its own."""
