"""Traces from Jaeger and logs from Loki, put into a memory of the moment and read like our own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from observatory.otlp.request import Batch
from observatory.sources.down import Down
from observatory.sources.poller import SourceError
from observatory.sources.protocols import SILENT_S, LogTail, TraceList, TraceResult
from observatory.sources.stack.coalesce import Coalesce
from observatory.sources.stack.jaeger import JaegerClient
from observatory.sources.stack.jaeger_query import (
    MOST,
    JaegerSearch,
    ignored_attributes,
    search_for,
)
from observatory.sources.stack.loki import LokiClient
from observatory.store.logs import LogQuery
from observatory.store.model import LogLine, pack
from observatory.store.store import FilterChoices, TelemetryStore, TraceQuery

log = logging.getLogger(__name__)

NUDGE_EVERY_S = 2.0
STILL = "Orders go on; only looking back is not possible."
# A trace's lines are read whole; more than this nobody reads in place.
_LINES_OF_A_TRACE = 500
# What is looked up beside a trace: its orders' other traces, and those it continues.
_ORDERS, _LINKS = 3, 5
# Traces that are known to be about an order: its own, the reconciler's, a canceller's.
_KNOWN = 8
_OLD = "this Jaeger is from before 2.19 and does not search by attribute"


class StackTraces:
    """An `Evidence` that keeps nothing: what is asked is looked up, once for all who ask it."""

    def __init__(
        self,
        jaeger_url: str,
        loki_url: str,
        changed: Callable[[str], None],
        *,
        dropped: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._jaeger, self._loki, self._changed = (
            JaegerClient(jaeger_url),
            LokiClient(loki_url),
            changed,
        )
        self._dropped = dropped
        self._found: Coalesce[tuple[TelemetryStore, TraceList] | Down] = Coalesce()
        self._wholes: Coalesce[TraceResult | Down] = Coalesce()
        self._tails: Coalesce[LogTail | Down] = Coalesce()
        self._words: Coalesce[tuple[str, ...]] = Coalesce(keep_s=10.0)
        self._began = datetime.now(UTC)
        self._newest: datetime | None = None
        self._looked = self._began

    async def run(self) -> None:
        """Say every second that there may be something new; only a page that shows it asks."""
        while True:
            self._changed("traces")
            self._changed("logs")
            await asyncio.sleep(NUDGE_EVERY_S)

    async def close(self) -> None:
        """Ask no more."""
        for once in (self._found, self._wholes, self._tails, self._words):
            await once.close()
        await self._jaeger.wire.close()
        await self._loki.wire.close()

    def routes(self) -> list[HTTPRouteHandler]:
        """None: telemetry goes to the collector, and nothing is kept in two places."""
        return []

    async def find(self, query: TraceQuery) -> TraceList | Down:
        """Traces for a list."""
        found = await self._found.ask(query, lambda: self._search(query))
        return found if isinstance(found, Down) else found[1]

    async def trace(self, trace_id: str) -> TraceResult | Down:
        """One trace with its lines in place."""
        return await self._wholes.ask(trace_id, lambda: self._whole(trace_id))

    async def tail(self, query: LogQuery) -> LogTail | Down:
        """The newest lines that fit."""
        return await self._tails.ask(query, lambda: self._lines(query))

    async def choices(self) -> FilterChoices:
        """What the newest traces can be told apart by, and every service."""
        newest = TraceQuery()
        found, services = await asyncio.gather(
            self._found.ask(newest, lambda: self._search(newest)),
            self._words.ask("services", lambda: _quietly(self._jaeger.services())),
        )
        if isinstance(found, Down):
            return FilterChoices(tuple((name, 0) for name in services), (), (), ())
        choices = found[0].choices()
        counted = dict.fromkeys(services, 0) | dict(choices.services)
        return replace(choices, services=tuple(counted.items()))

    async def writers(self) -> tuple[tuple[str, int], ...]:
        """Every service that wrote a line lately."""
        names = await self._words.ask("writers", lambda: _quietly(self._loki.services()))
        return tuple((name, 0) for name in names)

    def dropped(self) -> dict[str, int]:
        """What each service, by key, could not send."""
        return self._dropped()

    def elsewhere(self) -> str:
        """Nowhere: it is read from where it goes."""
        return ""

    def silence(self, busy: Callable[[], bool]) -> Down | None:
        """Set when Jaeger answers, but nothing new reaches it."""
        last, now = self._newest or self._began, datetime.now(UTC)
        lately = (now - self._looked).total_seconds() < SILENT_S
        if not lately or (now - last).total_seconds() < SILENT_S or not busy():
            return None
        return Down("No new trace reaches Jaeger", last, "Orders go on; older traces are here.")

    async def _search(self, query: TraceQuery) -> tuple[TelemetryStore, TraceList] | Down:
        search = search_for(query)
        try:
            memory = await self._look(search)
            if search.most < MOST and ignored_attributes(search, memory):
                search = replace(search, most=MOST)
                memory = await self._look(search)
            old = ignored_attributes(search, memory)
            known = [self._jaeger.trace(each) for each in query.trace_ids[:_KNOWN]]
            _fill(memory, await asyncio.gather(*known))
        except SourceError as trouble:
            return self._jaeger.wire.down(trouble, STILL)
        rows = memory.find(query)
        if query == TraceQuery(limit=query.limit):
            self._looked = datetime.now(UTC)
            self._newest = max((row.at for row in rows), default=None)
        note = f"what is older than the newest {search.most}: {_OLD}" if old else ""
        return memory, TraceList(rows, note=note)

    async def _look(self, search: JaegerSearch) -> TelemetryStore:
        return _memory(
            await asyncio.gather(
                *(
                    self._jaeger.search(
                        most=search.most,
                        service=search.service,
                        attributes=search.attributes,
                        least_s=least_s,
                    )
                    for least_s in search.least_s
                )
            )
        )

    async def _whole(self, trace_id: str) -> TraceResult | Down:
        of_trace = LogQuery(trace_id=trace_id, limit=_LINES_OF_A_TRACE)
        batch, lines = await asyncio.gather(
            self._jaeger.trace(trace_id), self._loki.lines(of_trace), return_exceptions=True
        )
        if isinstance(batch, SourceError):
            return self._jaeger.wire.down(batch, STILL)
        if isinstance(batch, BaseException):
            raise batch
        unread, kept = None, []
        if isinstance(lines, SourceError):
            unread = self._loki.wire.down(lines, "The spans are all here.")
        elif isinstance(lines, BaseException):
            raise lines
        else:
            kept = lines
        memory = _memory([batch], kept)
        _fill(memory, await self._related(memory, trace_id))
        return TraceResult(memory.trace(trace_id), unread=unread)

    async def _related(self, memory: TelemetryStore, trace_id: str) -> list[Batch]:
        """What the trace's orders and links lead to; a page is whole without it."""
        trace = memory.traces.get(trace_id)
        if trace is None:
            return []
        found = await asyncio.gather(
            *(
                self._jaeger.search(most=MOST, attributes={"valerix.order.id": order})
                for order in trace.values("order")[:_ORDERS]
            ),
            *(self._jaeger.trace(link) for link in trace.values("link")[:_LINKS]),
            return_exceptions=True,
        )
        return [each for each in found if isinstance(each, Batch)]

    async def _lines(self, query: LogQuery) -> LogTail | Down:
        try:
            lines = await self._loki.lines(query)
        except SourceError as trouble:
            return self._loki.wire.down(trouble, STILL)
        page = _memory([], lines).tail(LogQuery(limit=query.limit))
        return LogTail(page.rows, more=page.more)


async def _quietly(words: Awaitable[tuple[str, ...]]) -> tuple[str, ...]:
    """Choices are an extra: the list says what is wrong."""
    try:
        return await words
    except SourceError as trouble:
        log.debug("no choices: %s", trouble)
        return ()


def _memory(batches: Iterable[Batch], lines: Iterable[LogLine] = ()) -> TelemetryStore:
    """A memory of these, entered in the order of time as if they came just now."""
    memory = TelemetryStore()
    _fill(memory, batches)
    for line in lines:
        # Numbered by its time, a line has the same number in every answer.
        memory.keep_line(line, pack(line.attributes), at_least=line.at_ns)
    return memory


def _fill(memory: TelemetryStore, batches: Iterable[Batch]) -> None:
    spans = [each for batch in batches for each in batch.spans]
    for span, packed in sorted(spans, key=lambda each: each[0].start_ns):
        memory.keep_span(span, packed)
