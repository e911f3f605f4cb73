"""Lines of log from Loki 3: one LogQL query a question, the answers read back as OTLP's fields."""

import asyncio
import re
import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from observatory import limits
from observatory.otlp.normalize import Malformed, Normalizer, Resource, severity_of
from observatory.sources.stack.http import UNREADABLE, HttpSource, NotFound
from observatory.store.logs import LogQuery
from observatory.store.model import LogLine

# The tail is about now; a trace may be older than that.
_TAIL_S, _TRACE_S = 3600, 24 * 3600
_AHEAD_S = 60
# Otherwise Loki mixes what a line says with what its stream is, and makes a stream of every line.
_APART = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
# What a line shows elsewhere, or what Loki and the collector say about it by themselves.
_NOT_SAID = frozenset(
    {
        "service_name", "service_version", "service_instance_id", "deployment_environment_name",
        "detected_level", "severity_number", "severity_text", "trace_id", "span_id", "scope_name",
        "scope_version", "flags", "observed_timestamp", "said",
    }
)  # fmt: skip
# Loki's own word for a level, where a line came without OpenTelemetry's number.
_LEVELS = {"warn": "WARNING", "fatal": "CRITICAL"}
# Loki searches the line; what else a reader would look for is put beside it.
_BESIDE = ("order_id", "valerix_order_id", "gremlin", "exception", "route", "actor")
_SAID = "{{__line__}} " + " ".join(f"{{{{.{name}}}}}" for name in _BESIDE)


class _About(Struct, frozen=True, rename="camel"):
    structured_metadata: dict[str, str] = {}


class _Entry(Struct, array_like=True):
    at: str
    text: str
    about: _About = _About()


class _Stream(Struct):
    stream: dict[str, str]
    values: list[_Entry]


class _Data(Struct):
    result: list[_Stream]


class _Answer(Struct):
    data: _Data


class _Values(Struct):
    data: list[str] | None = None


_answer = msgspec.json.Decoder(_Answer).decode
_values = msgspec.json.Decoder(_Values).decode


class LokiClient:
    """The questions that the dashboard has; each raises `Trouble`."""

    def __init__(self, url: str) -> None:
        self.wire = HttpSource("Loki", url)

    async def lines(self, query: LogQuery) -> list[LogLine]:
        """The newest lines that fit, oldest first."""
        now = time.time()
        reach_s = _TRACE_S if query.trace_id else _TAIL_S
        asked = {
            "query": logql(query),
            "start": f"{now - reach_s:.0f}",
            "end": f"{now + _AHEAD_S:.0f}",
            "limit": str(query.limit),
            "direction": "backward",
        }
        try:
            body = await self.wire.get("/loki/api/v1/query_range", asked, headers=_APART)
            return await asyncio.to_thread(read_lines, body)
        except (*UNREADABLE, NotFound):
            raise self.wire.trouble("answers nonsense") from None

    async def services(self) -> tuple[str, ...]:
        """Everybody who wrote a line lately."""
        asked = {"start": f"{time.time() - _TAIL_S:.0f}"}
        try:
            return tuple(
                _values(await self.wire.get("/loki/api/v1/label/service_name/values", asked)).data
                or ()
            )
        except (*UNREADABLE, NotFound):
            raise self.wire.trouble("answers nonsense") from None


def logql(query: LogQuery) -> str:
    """The question in Loki's language."""
    matcher = f"={_quoted(query.service)}" if query.service else '=~".+"'
    parts = [f"{{service_name{matcher}}}"]
    if (least := severity_of(query.level)) > 1:
        parts.append(f"| severity_number >= {least}")
    if query.trace_id:
        parts.append(f"| trace_id = {_quoted(query.trace_id)}")
    if query.text:
        wanted = _quoted(f"(?is).*{re.escape(query.text)}.*")
        parts.append(f"| label_format said={_quoted(_SAID)} | said =~ {wanted} | drop said")
    return " ".join(parts)


def _quoted(text: str) -> str:
    # What JSON escapes, Go's strings escape the same way.
    return msgspec.json.encode(text.encode(errors="replace").decode()).decode()


def read_lines(body: bytes) -> list[LogLine]:
    """Lines of an answer in the order of time; one that makes no sense is left out."""
    found = list(_lines(_answer(body)))
    found.sort(key=lambda line: line.at_ns)
    return found


def _lines(answer: _Answer) -> Iterator[LogLine]:
    assembler = Normalizer(time.time_ns(), 3650 * limits.BEHIND_NS)
    for stream in answer.data.result:
        service = stream.stream.get("service_name", "")
        resource = assembler.resource((("service.name", service),))
        for entry in stream.values:
            said = stream.stream | entry.about.structured_metadata
            try:
                yield _line(resource, entry, said, assembler)
            except (Malformed, ValueError):
                continue


def _line(
    resource: Resource, entry: _Entry, said: dict[str, str], assembler: Normalizer
) -> LogLine:
    attributes = [(key, value) for key, value in said.items() if key not in _NOT_SAID]
    return assembler.line(
        resource,
        ids=(said.get("trace_id", "").lower(), said.get("span_id", "").lower()),
        at_ns=int(entry.at),
        severity=_severity(said),
        message=entry.text,
        attributes=assembler.pairs(attributes, len(attributes)),
    )


def _severity(said: dict[str, str]) -> int:
    number, word = said.get("severity_number", ""), said.get("detected_level", "")
    return int(number) if number.isdecimal() else severity_of(_LEVELS.get(word, word))
