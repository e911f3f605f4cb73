"""What Envoy writes, read line by line: requests are counted and logged as every process does."""

import asyncio
import logging
import os

import msgspec

from chassis.faults.gremlins import Active, Gremlins
from chassis.http.edge import CALLER_LEFT, NO_ANSWER, is_failed
from chassis.http.metrics import HttpMetrics

logger = logging.getLogger("request")
_own = logging.getLogger("envoy")

_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}
# What a gremlin did, as Envoy's response flags say it: a delay, an answer instead of the work.
_BITES = {"DI": "latency", "FI": "error"}
_LEFT = "DC"
# A line is some 300 bytes; one without an end is no line.
_LONGEST_LINE = 1 << 20


class ProxiedRequest(msgspec.Struct, frozen=True):
    """One request, as configuration.py has Envoy write it. `route` is the label of its door, and
    `flags` say what went wrong on the way, if anything did."""

    route: str
    took_ms: int
    method: str | None = None
    status: int = NO_ANSWER
    flags: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    request_id: str | None = None


class OwnLine(msgspec.Struct, frozen=True):
    """Something that Envoy says of itself."""

    level: str
    message: str


class AccessLog:
    """Takes each line. Requests to the dashboard are not the shop's work and are left out; an event
    stream would look like a request of an hour."""

    def __init__(self, doors: frozenset[str], metrics: HttpMetrics, gremlins: Gremlins) -> None:
        self._doors, self._metrics, self._gremlins = doors, metrics, gremlins

    async def follow(self, lines: asyncio.StreamReader) -> None:
        """Read until Envoy's end of the pipe is closed."""
        while True:
            try:
                line = await lines.readline()
            except ValueError:  # longer than any: the rest is read as another
                continue
            if not line:
                return
            self.take(line)

    def take(self, line: bytes) -> None:
        """One line; what is no JSON is the last that a crash leaves."""
        try:
            visit = msgspec.json.decode(line, type=ProxiedRequest)
        except msgspec.MsgspecError:
            self._take_own(line)
            return
        if visit.route in self._doors:
            self._count(visit)

    def _take_own(self, line: bytes) -> None:
        try:
            own = msgspec.json.decode(line, type=OwnLine)
        except msgspec.MsgspecError:
            _own.error("%s", line.decode(errors="replace").rstrip())
            return
        _own.log(_LEVELS.get(own.level, logging.INFO), "%s", own.message)

    def _count(self, visit: ProxiedRequest) -> None:
        method, _, path = visit.route.partition(" ")
        flags = (visit.flags or "").split(",")
        status = CALLER_LEFT if _LEFT in flags and not visit.status else visit.status
        trace_id = visit.trace_id or ""
        self._metrics.observe(method, path, status, visit.took_ms / 1000, trace_id)
        fields: dict[str, object] = {
            "method": visit.method,
            "route": path,
            "status": status,
            "duration_ms": visit.took_ms,
            "request_id": visit.request_id,
        }
        if trace_id:
            fields |= {"trace_id": trace_id, "span_id": visit.span_id}
        if bites := self._bites(visit.route, flags):
            fields["gremlin"] = ",".join(each.view.name for each in bites)
        level = logging.ERROR if is_failed(status) else logging.INFO
        logger.log(level, "%s", visit.route, extra=fields)

    def _bites(self, route: str, flags: list[str]) -> list[Active]:
        kinds = {_BITES[flag] for flag in flags if flag in _BITES}
        found = [
            each for each in self._gremlins.active if each.view.kind in kinds and is_at(each, route)
        ]
        for each in found:
            self._gremlins.mark(each.view)
        return found


def is_at(gremlin: Active, route: str) -> bool:
    """Whether a gremlin waits at the door of this label."""
    return bool(gremlin.matches & {route, route.partition(" ")[2]})


async def reader_of(
    descriptor: int,
) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """The lines that come out of a pipe, and what the caller closes in the end."""
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    # It is there: nothing waits.
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader, transport
