"""Traces from Jaeger 2 by its API v3: its responses are OTLP and read as if services sent them."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Raw, Struct

from observatory.otlp.normalize import Malformed
from observatory.otlp.pieces import TooLarge
from observatory.otlp.request import JSON, Batch, read
from observatory.sources.stack.http import UNREADABLE, HttpSource, ResourceNotFound
from observatory.store.model import moment

# An in-memory Jaeger keeps less than this, and another one need not search all it has.
REACH = timedelta(days=1)
# A request to the shop ends within its deadlines, of at most some seconds each.
_LONGEST = timedelta(seconds=30)
# Until 2.18 the parameters were spelled this way, later versions promise only camelCase. Jaeger
# ignores the ones it does not know, so both are sent.
_SPELLINGS = {
    "query.serviceName": "query.service_name",
    "query.startTimeMin": "query.start_time_min",
    "query.startTimeMax": "query.start_time_max",
    "query.durationMin": "query.duration_min",
    "query.searchDepth": "query.num_traces",
    "query.rawTraces": "query.raw_traces",
    "rawTraces": "raw_traces",
}


class _Envelope(Struct):
    result: Raw


class _Services(Struct):
    services: list[str] | None = None


_envelope = msgspec.json.Decoder(_Envelope).decode
_services = msgspec.json.Decoder(_Services).decode


class JaegerClient:
    """The queries that the dashboard makes; each raises `SourceError`."""

    def __init__(self, url: str) -> None:
        self.http = HttpSource("Jaeger", url)

    async def search(
        self,
        *,
        most: int,
        service: str = "",
        attributes: Mapping[str, str] | None = None,
        least_s: float = 0.0,
        since_ns: int = 0,
        until_ns: int = 0,
    ) -> Batch:
        """Spans of the newest traces with one span that fits all of it. Not before 2.19 does
        Jaeger apply `attributes` over HTTP: an older one returns the newest traces of all."""
        now = datetime.now(UTC)
        # By when they began: one that ended after `since_ns` may have begun a little before.
        since = moment(since_ns) - _LONGEST if since_ns else now - REACH
        until = moment(until_ns) if until_ns else now + timedelta(minutes=1)
        params = {
            "query.startTimeMin": _rfc3339(since),
            "query.startTimeMax": _rfc3339(until),
            "query.searchDepth": str(most),
            "query.rawTraces": "true",
        }
        if service:
            params["query.serviceName"] = service
        if least_s:
            params["query.durationMin"] = f"{least_s * 1000:.0f}ms"
        if attributes:
            params["query.attributes"] = msgspec.json.encode(attributes).decode()
        return await self._spans("/api/v3/traces", params)

    async def trace(self, trace_id: str) -> Batch:
        """All spans of one trace; none if there is no such trace."""
        return await self._spans(f"/api/v3/traces/{trace_id}", {"rawTraces": "true"})

    async def services(self) -> tuple[str, ...]:
        """Every service that ever sent a span."""
        body = await self.http.get("/api/v3/services", {})
        try:
            return tuple(_services(body).services or ())
        except UNREADABLE:
            raise self.http.error("sent a response that cannot be read") from None

    async def _spans(self, path: str, params: Mapping[str, str]) -> Batch:
        """Raw, as they were sent: otherwise Jaeger moves them by what it takes for a clock's
        error, or adds a warning to each that it does not."""
        older = {_SPELLINGS[name]: value for name, value in params.items() if name in _SPELLINGS}
        try:
            body = await self.http.get(path, {**params, **older})
        except ResourceNotFound:
            return Batch()
        # Off the event loop: two hundred traces take a tenth of a second.
        try:
            return await asyncio.to_thread(_read, body)
        except (Malformed, TooLarge, *UNREADABLE):
            raise self.http.error("sent a response that cannot be read") from None


def _read(body: bytes) -> Batch:
    inner = bytes(_envelope(body).result)
    return read("traces", inner, JSON, now_ns=time.time_ns(), stored=True)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
