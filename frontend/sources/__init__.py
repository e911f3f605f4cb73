"""Where the dashboard's numbers come from: one protocol, so that a page never knows which."""

from typing import Protocol

from frontend.observatory.ring import Traffic
from frontend.views import Down


class Source(Protocol):
    """Metrics of the services, by service key. A source that cannot say answers `Down`."""

    async def start(self) -> None:
        """Begin to watch; returns at once."""

    async def stop(self) -> None:
        """End every loop and close every connection."""

    def traffic(self, service: str) -> Traffic | Down:
        """Business requests of the last thirty seconds."""

    def stock(self) -> dict[str, dict[str, int]] | Down:
        """Units by product and state ("stock", "reserved", "sold")."""

    def bites(self, service: str) -> dict[str, int]:
        """How often each gremlin, by name, bit since the process started; empty when not known."""
