"""What the inventory service runs with: what every process needs, and nothing else yet."""

from chassis.settings import Settings


class InventorySettings(Settings, frozen=True, kw_only=True):
    """It has no setting of its own."""
