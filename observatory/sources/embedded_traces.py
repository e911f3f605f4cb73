"""Traces and logs that the services send to this process, and nudges when new ones arrive."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from litestar.handlers import HTTPRouteHandler

from chassis.addresses import is_loopback
from chassis.settings import Settings
from observatory.metrics.call_graph import CallGraph, CallStats
from observatory.metrics.received import ReceivedMetrics
from observatory.otlp.allowed_senders import AllowedSenders
from observatory.otlp.receiver import Receiver
from observatory.sources.down import Down
from observatory.sources.protocols import SILENT_S, TraceList, TraceResult
from observatory.store.kept_on_disk import KeptOnDisk
from observatory.store.logs import LogQuery
from observatory.store.results import LogTail
from observatory.store.store import FilterChoices, TelemetryStore
from observatory.store.trace_search import TraceQuery
from topology import NAMES

# Each service sends once a second, in no order: one nudge a second serves all of them.
NUDGE_EVERY_S = 1.0


class EmbeddedTraces:
    """A `TelemetrySource` in this process's own memory, which never waits and is never `Down`.

    `last_arrival` says when something last arrived, by topic; `sent_to` is the address that
    telemetry goes to instead of here, or empty; `dropped` counts what each service, by key, could
    not send; `grpc` is the host and port where OTLP over gRPC is received, beside the routes; with
    a `folder`, what is kept outlives the process; `senders` may send, or everybody."""

    def __init__(
        self,
        store: TelemetryStore,
        changed: Callable[[str], None],
        *,
        sent_to: str = "",
        dropped: Callable[[], dict[str, int]] = dict,
        grpc: tuple[str, int] | None = None,
        folder: Path | None = None,
        senders: AllowedSenders | None = None,
    ) -> None:
        self.store = store
        self._grpc = grpc
        self._kept = KeptOnDisk(store, folder) if folder is not None else None
        self.last_arrival: dict[str, datetime] = {}
        self._sent_to, self._dropped = sent_to, dropped
        self._receiver = Receiver(store, senders=senders)
        self._began = datetime.now(UTC)
        self._changed_topic = changed
        self._due: set[str] = set()
        store.changed = self._changed
        self._graph = CallGraph(frozenset(NAMES.values()))
        store.seen = self._graph.add

    async def run(self) -> None:
        """Pass nudges on, keep on disk what is given a folder, and receive over gRPC if asked to,
        until cancelled."""
        async with self._receiving(), asyncio.TaskGroup() as group:
            group.create_task(self._pass_nudges_on())
            if self._kept is not None:
                group.create_task(self._kept.run())

    def _receiving(self) -> AbstractAsyncContextManager[None]:
        if self._grpc is None:
            return nullcontext()
        from observatory.otlp.grpc_receiver import serving

        return serving(self._receiver, *self._grpc)

    async def _pass_nudges_on(self) -> None:
        while True:
            for topic in sorted(self._due):
                self._changed_topic(topic)
            self._due.clear()
            await asyncio.sleep(NUDGE_EVERY_S)

    async def close(self) -> None:
        """Accept nothing more."""
        await self._receiver.close()

    def routes(self) -> list[HTTPRouteHandler]:
        """The routes of OTLP/HTTP."""
        return self._receiver.routes()

    async def find(self, query: TraceQuery) -> TraceList:
        """Traces for a list."""
        store = self.store
        return TraceList(store.find(query), len(store.traces), store.losses)

    async def trace(self, trace_id: str) -> TraceResult:
        """One trace with its lines in place."""
        return TraceResult(self.store.trace(trace_id), len(self.store.traces))

    async def tail(self, query: LogQuery) -> LogTail:
        """The newest lines that fit."""
        return self.store.tail(query)

    async def choices(self) -> FilterChoices:
        """What traces can be filtered by."""
        return self.store.choices()

    async def writers(self) -> tuple[tuple[str, int], ...]:
        """Which services wrote lines, and how many."""
        return self.store.logs.choices("service")

    def received(self) -> ReceivedMetrics:
        """The metrics that programs sent."""
        return self.store.metrics

    def dropped(self) -> dict[str, int]:
        """What each service, by key, could not send."""
        return self._dropped()

    def sent_to(self) -> str:
        """Where telemetry goes; empty once some arrived here too, as a collector may forward it."""
        return "" if self.last_arrival else self._sent_to

    def calls(self) -> dict[tuple[str, str], CallStats] | None:
        """Calls in the last half minute; None while telemetry goes elsewhere."""
        return None if self.sent_to() else self._graph.stats()

    def outage(self, is_busy: Callable[[], bool]) -> Down | None:
        """Set when no telemetry arrives although the services are busy."""
        last = self.last_arrival.get("traces")
        if last is not None and (datetime.now(UTC) - last).total_seconds() < SILENT_S:
            return None
        if self.sent_to() or not is_busy():
            return None
        if last is None:
            return Down("The services send no telemetry here", self._began, "Orders go on.")
        return Down("No telemetry arrives", last, "Orders go on; what came before is still here.")

    def _changed(self, topic: str) -> None:
        self.last_arrival[topic] = datetime.now(UTC)
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
