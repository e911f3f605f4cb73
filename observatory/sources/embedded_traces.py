"""What the services sent here about their work: the memory of it, and nudges when it grows."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from litestar.handlers import HTTPRouteHandler

from chassis.settings import Settings, is_loopback
from observatory.otlp.receiver import Receiver
from observatory.sources import SILENT_S, Found, Tail, Whole
from observatory.sources.down import Down
from observatory.store.logs import LogQuery
from observatory.store.store import Choices, Memory, TraceQuery

# Each service sends once a second, in no order: one nudge a second serves all of them.
NUDGE_EVERY_S = 1.0


class Received:
    """An `Evidence` in this process's own memory, which never waits and is never `Down`.

    `heard` says when something last arrived, by topic; `sent_to` is the address that telemetry
    goes to instead of here, or empty; `dropped` tells how much of it each service, by key, could
    not send to anybody."""

    def __init__(
        self,
        memory: Memory,
        changed: Callable[[str], None],
        *,
        sent_to: str = "",
        dropped: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self.memory = memory
        self.heard: dict[str, datetime] = {}
        self._sent_to, self._dropped = sent_to, dropped
        self._receiver = Receiver(memory)
        self._began = datetime.now(UTC)
        self._changed_topic = changed
        self._due: set[str] = set()
        memory.changed = self._changed

    async def run(self) -> None:
        """Pass nudges on until cancelled."""
        while True:
            for topic in sorted(self._due):
                self._changed_topic(topic)
            self._due.clear()
            await asyncio.sleep(NUDGE_EVERY_S)

    async def close(self) -> None:
        """Take nothing more."""
        await self._receiver.close()

    def routes(self) -> list[HTTPRouteHandler]:
        """The addresses of OTLP/HTTP."""
        return self._receiver.routes()

    async def find(self, query: TraceQuery) -> Found:
        """Traces for a list."""
        memory = self.memory
        return Found(memory.find(query), len(memory.traces), memory.losses)

    async def trace(self, trace_id: str) -> Whole:
        """One trace with its lines in place."""
        return Whole(self.memory.trace(trace_id), len(self.memory.traces))

    async def tail(self, query: LogQuery) -> Tail:
        """The newest lines that fit."""
        memory, page = self.memory, self.memory.tail(query)
        return Tail(page.rows, page.more, len(memory.logs), memory.losses)

    async def choices(self) -> Choices:
        """What traces can be filtered by."""
        return self.memory.choices()

    async def writers(self) -> tuple[tuple[str, int], ...]:
        """Who wrote lines, each with how many."""
        return self.memory.logs.choices("service")

    def dropped(self) -> dict[str, int]:
        """What each service, by key, could not send."""
        return self._dropped()

    def elsewhere(self) -> str:
        """Where telemetry goes; empty once some came here too, as a collector may pass it on."""
        return "" if self.heard else self._sent_to

    def silence(self, busy: Callable[[], bool]) -> Down | None:
        """Set when services that are `busy` send nothing."""
        heard = self.heard.get("traces")
        if heard is not None and (datetime.now(UTC) - heard).total_seconds() < SILENT_S:
            return None
        if self.elsewhere() or not busy():
            return None
        if heard is None:
            return Down("The services send no telemetry here", self._began, "Orders go on.")
        return Down("No telemetry arrives", heard, "Orders go on; what came before is still here.")

    def _changed(self, topic: str) -> None:
        self.heard[topic] = datetime.now(UTC)
        self._due.add(topic)


def sent_to(settings: Settings) -> str:
    """The collector that the services send to, when it is not this dashboard; without secrets.

    `valerix up` gives the dashboard the endpoint only if somebody named one."""
    otel = settings.otel
    endpoint = settings.otlp_endpoint or otel.traces_endpoint or otel.logs_endpoint
    if not endpoint:
        return ""
    # gRPC's may be written host:port.
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    host = parts.hostname or ""
    if parts.port == settings.port and (host == settings.host or is_loopback(host)):
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "")
