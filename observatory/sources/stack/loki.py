"""Lines of log from Loki 3: one LogQL query each, the responses read back as OTLP's fields."""

import asyncio
import re
import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from observatory.otlp.normalize import Malformed, Normalizer, Resource, severity_of
from observatory.sources.stack.http import UNREADABLE, HttpSource, ResourceNotFound
from observatory.store.log_search import CUT, Term, terms
from observatory.store.logs import LogQuery
from observatory.store.model import StoredLine

# The tail is about now; a trace may be older than that.
_TAIL_S, _TRACE_S = 3600, 24 * 3600
_AHEAD_S = 60
# Otherwise Loki mixes a line's own fields with those of its stream: every line gets a stream.
_SEPARATE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
# Fields that a line has of its own, or that Loki and the collector add to it.
_NOT_ATTRIBUTES = frozenset(
    {
        "service_name", "service_version", "service_instance_id", "deployment_environment_name",
        "detected_level", "severity_number", "severity_text", "trace_id", "span_id", "scope_name",
        "scope_version", "flags", "observed_timestamp", "searched",
    }
)  # fmt: skip
# Loki searches the line alone; these fields are appended to what it searches.
_OWN_FIELDS = {"service": "service_name", "level": "severity_text"}
_SEARCHED_FIELDS = ("order_id", "valerix_order_id", "gremlin", "exception", "route", "actor")
_SEARCHED = "{{__line__}} " + " ".join(f"{{{{.{name}}}}}" for name in _SEARCHED_FIELDS)


class _Metadata(Struct, frozen=True, rename="camel"):
    structured_metadata: dict[str, str] = {}


class _Entry(Struct, array_like=True):
    at: str
    text: str
    metadata: _Metadata = _Metadata()


class _Stream(Struct):
    stream: dict[str, str]
    values: list[_Entry]


class _Data(Struct):
    result: list[_Stream]


class _Response(Struct):
    data: _Data


class _Values(Struct):
    data: list[str] | None = None


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_values = msgspec.json.Decoder(_Values).decode


class LokiClient:
    """The queries that the dashboard makes; each raises `SourceError`."""

    def __init__(self, url: str) -> None:
        self.http = HttpSource("Loki", url)

    async def lines(self, query: LogQuery) -> list[StoredLine]:
        """The newest lines that fit, oldest first."""
        now = time.time()
        if query.around_ns:
            return await self._around(query)
        reach_s: float = _TRACE_S if query.trace_id or query.until else _TAIL_S
        since = query.since.timestamp() if query.since else now - reach_s
        until = query.until.timestamp() if query.until else now + _AHEAD_S
        return await self._range(query, f"{since:.0f}", f"{until:.0f}", query.limit)

    async def _around(self, query: LogQuery) -> list[StoredLine]:
        """By nanoseconds: Loki's end is not in its range."""
        at_ns, half, reach_ns = query.around_ns, max(1, query.limit // 2), _TAIL_S * 10**9
        before, after = await asyncio.gather(
            self._range(query, str(at_ns - reach_ns), str(at_ns + 1), half),
            self._range(query, str(at_ns + 1), str(at_ns + reach_ns), half, direction="forward"),
        )
        return [*before, *after]

    async def _range(
        self, query: LogQuery, start: str, end: str, limit: int, *, direction: str = "backward"
    ) -> list[StoredLine]:
        params = {
            "query": logql(query),
            "start": start,
            "end": end,
            "limit": str(limit),
            "direction": direction,
        }
        try:
            body = await self.http.get("/loki/api/v1/query_range", params, headers=_SEPARATE)
            return await asyncio.to_thread(read_lines, body)
        except (*UNREADABLE, ResourceNotFound):
            raise self.http.error("sent a response that cannot be read") from None

    async def services(self) -> tuple[str, ...]:
        """Every service that wrote a line lately."""
        params = {"start": f"{time.time() - _TAIL_S:.0f}"}
        try:
            return tuple(
                _decode_values(
                    await self.http.get("/loki/api/v1/label/service_name/values", params)
                ).data
                or ()
            )
        except (*UNREADABLE, ResourceNotFound):
            raise self.http.error("sent a response that cannot be read") from None


def logql(query: LogQuery) -> str:
    """The query in LogQL."""
    matcher = f"={_quoted(query.service)}" if query.service else '=~".+"'
    parts = [f"{{service_name{matcher}}}"]
    if (least := severity_of(query.level)) > 1:
        parts.append(f"| severity_number >= {least}")
    if query.trace_id:
        parts.append(f"| trace_id = {_quoted(query.trace_id)}")
    if wanted := terms(query.text):
        parts.append(f"| label_format searched={_quoted(_SEARCHED)}")
        parts += [f"| {_condition(term)}" for term in wanted]
        parts.append("| drop searched")
    return " ".join(parts)


def _condition(term: Term) -> str:
    anywhere = f"searched =~ {_quoted(f'(?is).*{re.escape(term.literal)}.*')}"
    if not term.field:
        return anywhere
    # Loki writes a field's dots as underscores.
    name = _OWN_FIELDS.get(term.field, term.field.replace(".", "_"))
    value = re.escape(term.text.removesuffix(CUT)) + (".*" if term.text.endswith(CUT) else "")
    return f"{name} =~ {_quoted(f'(?is){value}')} or {anywhere}"


def _quoted(text: str) -> str:
    # What JSON escapes, Go's strings escape the same way.
    return msgspec.json.encode(text.encode(errors="replace").decode()).decode()


def read_lines(body: bytes) -> list[StoredLine]:
    """Lines of a response in the order of time; an invalid one is left out."""
    found = list(_lines(_decode_response(body)))
    found.sort(key=lambda line: line.at_ns)
    return found


def _lines(response: _Response) -> Iterator[StoredLine]:
    normalizer = Normalizer(time.time_ns(), stored=True)
    for stream in response.data.result:
        service = stream.stream.get("service_name", "")
        resource = normalizer.resource((("service.name", service),))
        for entry in stream.values:
            fields = stream.stream | entry.metadata.structured_metadata
            try:
                yield _line(resource, entry, fields, normalizer)
            except (Malformed, ValueError):
                continue


def _line(
    resource: Resource, entry: _Entry, fields: dict[str, str], normalizer: Normalizer
) -> StoredLine:
    attributes = [(key, value) for key, value in fields.items() if key not in _NOT_ATTRIBUTES]
    return normalizer.line(
        resource,
        ids=(fields.get("trace_id", "").lower(), fields.get("span_id", "").lower()),
        at_ns=int(entry.at),
        severity=_severity(fields),
        message=entry.text,
        attributes=normalizer.pairs(attributes, len(attributes)),
    )


def _severity(fields: dict[str, str]) -> tuple[int, str]:
    """OpenTelemetry's number; for a line without one, the level that Loki saw in its text."""
    number, word = fields.get("severity_number", ""), fields.get("detected_level", "")
    return (int(number) if number.isdecimal() else 0), ("" if word == "unknown" else word)
