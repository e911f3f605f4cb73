"""What the services sent about their work: the memory of it, and nudges when it grows."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from chassis.settings import Settings, is_loopback
from frontend.events import Hub
from frontend.observatory.memory import Memory
from frontend.observatory.receiver import Receiver

# Each service sends once a second, in no order: one nudge a second serves all of them.
NUDGE_EVERY_S = 1.0


class Evidence:
    """Traces and logs for the pages. `heard` says when something last arrived, by topic.

    `elsewhere` is the address that telemetry goes to instead of here, or empty; `dropped` tells
    how much of it each service, by key, could not send to anybody."""

    def __init__(
        self,
        memory: Memory,
        hub: Hub,
        *,
        elsewhere: str = "",
        dropped: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self.memory = memory
        self.elsewhere = elsewhere
        self.dropped = dropped
        self.receiver = Receiver(memory)
        self.began = datetime.now(UTC)
        self.heard: dict[str, datetime] = {}
        self._hub = hub
        self._due: set[str] = set()
        memory.changed = self._changed

    async def run(self) -> None:
        """Pass nudges on until cancelled."""
        while True:
            for topic in sorted(self._due):
                self._hub.nudge(topic)
            self._due.clear()
            await asyncio.sleep(NUDGE_EVERY_S)

    def _changed(self, topic: str) -> None:
        self.heard[topic] = datetime.now(UTC)
        self._due.add(topic)


def elsewhere(settings: Settings) -> str:
    """The collector that the services send to, when it is not this dashboard; without secrets.

    `valerix up` gives the dashboard the endpoint only if somebody named one."""
    if not settings.otlp_endpoint:
        return ""
    parts = urlsplit(settings.otlp_endpoint)
    host = parts.hostname or ""
    if parts.port == settings.port and (host == settings.host or is_loopback(host)):
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "")
