"""What the echo service runs with: what every process needs."""

from chassis.settings import Settings


class EchoSettings(Settings, frozen=True, kw_only=True):
    """No setting of its own."""
