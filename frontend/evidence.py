"""What the services sent about their work: the memory of it, and nudges when it grows."""

import asyncio
from datetime import UTC, datetime

from frontend.events import Hub
from frontend.observatory.memory import Memory
from frontend.observatory.receiver import Receiver

# Each service sends once a second, in no order: one nudge a second serves all of them.
NUDGE_EVERY_S = 1.0


class Evidence:
    """Traces and logs for the pages. `heard` says when something last arrived, by topic."""

    def __init__(self, memory: Memory, hub: Hub) -> None:
        self.memory = memory
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
