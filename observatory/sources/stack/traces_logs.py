"""Traces from Jaeger and logs from Loki, put into a temporary store and read like our own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from observatory.metrics.call_graph import CallStats
from observatory.otlp.request import Batch
from observatory.sources.down import Down
from observatory.sources.poller import SourceError
from observatory.sources.protocols import SILENT_S, TraceList, TraceResult
from observatory.sources.stack.coalesce import Coalesce
from observatory.sources.stack.jaeger import JaegerClient
from observatory.sources.stack.jaeger_query import (
    MOST,
    JaegerSearch,
    ignored_attributes,
    is_read_here,
    search_for,
)
from observatory.sources.stack.loki import LokiClient
from observatory.store.logs import LogQuery
from observatory.store.model import StoredLine, pack
from observatory.store.results import LogTail
from observatory.store.store import FilterChoices, TelemetryStore
from observatory.store.trace_search import TraceQuery

log = logging.getLogger(__name__)

NUDGE_EVERY_S = 2.0
STILL = "Orders go on; only looking back is not possible."
# A trace's lines are read whole; more than this nobody reads in place.
_LINES_OF_A_TRACE = 500
# What is looked up beside a trace: its orders' other traces, and those it continues.
_ORDERS, _LINKS = 3, 5
# Traces that are known to be about an order: its own, the reconciler's, a canceller's.
_KNOWN = 8
_ID_DIGITS = 32
_OLD = "this Jaeger is from before 2.19 and does not search by attribute"


class StackTraces:
    """A `TelemetrySource` that keeps nothing: equal queries at one time are made once."""

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
        self._traces: Coalesce[TraceResult | Down] = Coalesce()
        self._tails: Coalesce[LogTail | Down] = Coalesce()
        self._names: Coalesce[tuple[str, ...]] = Coalesce(keep_s=10.0)
        self._began = datetime.now(UTC)
        self._newest: datetime | None = None
        self._read_at = self._began

    async def run(self) -> None:
        """Nudge every two seconds; only a page that shows traces or logs then makes a query."""
        while True:
            self._changed("traces")
            self._changed("logs")
            await asyncio.sleep(NUDGE_EVERY_S)

    async def close(self) -> None:
        """Cancel all queries and close the connections."""
        for each in (self._found, self._traces, self._tails, self._names):
            await each.close()
        await self._jaeger.http.close()
        await self._loki.http.close()

    def routes(self) -> list[HTTPRouteHandler]:
        """None: telemetry goes to the collector, and is not kept in two places."""
        return []

    async def find(self, query: TraceQuery) -> TraceList | Down:
        """Traces for a list."""
        found = await self._found.get(query, lambda: self._search(query))
        return found if isinstance(found, Down) else found[1]

    async def trace(self, trace_id: str) -> TraceResult | Down:
        """One trace with its lines."""
        return await self._traces.get(trace_id, lambda: self._read_trace(trace_id))

    async def tail(self, query: LogQuery) -> LogTail | Down:
        """The newest lines that fit."""
        return await self._tails.get(query, lambda: self._lines(query))

    async def choices(self) -> FilterChoices:
        """What the newest traces can be filtered by, and every service."""
        newest = TraceQuery()
        found, services = await asyncio.gather(
            self._found.get(newest, lambda: self._search(newest)),
            self._names.get("services", lambda: _or_none(self._jaeger.services())),
        )
        if isinstance(found, Down):
            return FilterChoices(tuple((name, 0) for name in services), (), (), ())
        choices = found[0].choices()
        counted = dict.fromkeys(services, 0) | dict(choices.services)
        return replace(choices, services=tuple(counted.items()))

    async def writers(self) -> tuple[tuple[str, int], ...]:
        """Every service that wrote a line read_lately."""
        names = await self._names.get("writers", lambda: _or_none(self._loki.services()))
        return tuple((name, 0) for name in names)

    def received(self) -> None:
        """None: the collector passes metrics on to Prometheus."""

    def dropped(self) -> dict[str, int]:
        """What each service, by key, could not send."""
        return self._dropped()

    def sent_to(self) -> str:
        """Empty: telemetry is read from where it goes."""
        return ""

    def calls(self) -> dict[tuple[str, str], CallStats] | None:
        """None: Jaeger keeps spans and does not count them."""
        return None

    def outage(self, is_busy: Callable[[], bool]) -> Down | None:
        """Set when Jaeger answers, but nothing new reaches it."""
        last, now = self._newest or self._began, datetime.now(UTC)
        read_lately = (now - self._read_at).total_seconds() < SILENT_S
        if not read_lately or (now - last).total_seconds() < SILENT_S or not is_busy():
            return None
        return Down("No new trace reaches Jaeger", last, "Orders go on; older traces are here.")

    async def _search(self, query: TraceQuery) -> tuple[TelemetryStore, TraceList] | Down:
        search = search_for(query)
        try:
            store = await self._query(search)
            if search.most < MOST and ignored_attributes(search, store):
                search = replace(search, most=MOST)
                store = await self._query(search)
            ignored = ignored_attributes(search, store)
            whole = (query.trace_id,) if len(query.trace_id) == _ID_DIGITS else ()
            known = [self._jaeger.trace(each) for each in (*whole, *query.trace_ids[:_KNOWN])]
            _fill(store, await asyncio.gather(*known))
        except SourceError as error:
            return self._jaeger.http.down(error, STILL)
        rows = store.find(query)
        if query == TraceQuery(limit=query.limit):
            self._read_at = datetime.now(UTC)
            self._newest = max((row.at for row in rows), default=None)
        note = f"what is older than the newest {search.most}: {_OLD}" if ignored else ""
        if is_read_here(query) and not whole:
            note = note or f"what is older than the newest {search.most} that Jaeger found"
        return store, TraceList(rows, note=note)

    async def _query(self, search: JaegerSearch) -> TelemetryStore:
        return _store(
            await asyncio.gather(
                *(
                    self._jaeger.search(
                        most=search.most,
                        service=search.service,
                        attributes=search.attributes,
                        least_s=least_s,
                        since_ns=search.since_ns,
                        until_ns=search.until_ns,
                    )
                    for least_s in search.least_s
                )
            )
        )

    async def _read_trace(self, trace_id: str) -> TraceResult | Down:
        of_trace = LogQuery(trace_id=trace_id, limit=_LINES_OF_A_TRACE)
        batch, lines = await asyncio.gather(
            self._jaeger.trace(trace_id), self._loki.lines(of_trace), return_exceptions=True
        )
        if isinstance(batch, SourceError):
            return self._jaeger.http.down(batch, STILL)
        if isinstance(batch, BaseException):
            raise batch
        unread, kept = None, []
        if isinstance(lines, SourceError):
            unread = self._loki.http.down(lines, "The spans are all here.")
        elif isinstance(lines, BaseException):
            raise lines
        else:
            kept = lines
        store = _store([batch], kept)
        _fill(store, await self._related(store, trace_id))
        return TraceResult(store.trace(trace_id), unread=unread)

    async def _related(self, store: TelemetryStore, trace_id: str) -> list[Batch]:
        """The traces of the same orders and links; a page can be shown without them."""
        trace = store.traces.get(trace_id)
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
        except SourceError as error:
            return self._loki.http.down(error, STILL)
        tail = _store([], lines).tail(LogQuery(limit=query.limit))
        return LogTail(tail.lines, more=tail.more)


async def _or_none(names: Awaitable[tuple[str, ...]]) -> tuple[str, ...]:
    """The names, or none: the list itself reports what is wrong."""
    try:
        return await names
    except SourceError as error:
        log.debug("no choices: %s", error)
        return ()


def _store(batches: Iterable[Batch], lines: Iterable[StoredLine] = ()) -> TelemetryStore:
    """A store of these, entered in the order of time as if they came just now."""
    store = TelemetryStore()
    _fill(store, batches)
    for line in lines:
        # Numbered by its time, a line has the same number in every response.
        store.keep_line(line, pack(line.attributes), at_least=line.at_ns)
    return store


def _fill(store: TelemetryStore, batches: Iterable[Batch]) -> None:
    spans = [each for batch in batches for each in batch.spans]
    for span, packed in sorted(spans, key=lambda each: each[0].start_ns):
        store.keep_span(span, packed)
