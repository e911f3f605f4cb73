"""Where the dashboard's numbers come from: one protocol, so that a page never knows which."""

from collections.abc import Sequence
from typing import Protocol

from frontend.observatory.history import Exemplar, Point
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

    def points(self, service: str, moments: Sequence[float]) -> list[Point]:
        """The service at each moment (seconds since the epoch), for the charts."""

    def exemplars(self, service: str, since: float, until: float) -> list[Exemplar]:
        """Requests with a trace that became known after `since`, up to `until` (epoch seconds)."""

    def failures(self, service: str, since: float, until: float) -> float:
        """Failed answers between two moments (epoch seconds), as far back as is remembered."""
