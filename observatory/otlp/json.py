"""Reads OTLP in JSON: hex ids, integers as strings or numbers, lowerCamelCase or snake_case."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from observatory import limits
from observatory.otlp import json_usual
from observatory.otlp.json_fields import (
    attributes_of,
    integer,
    mapping,
    objects,
    plain,
    text,
    value_of,
)
from observatory.otlp.normalize import Malformed, Normalizer, Resource, text_of
from observatory.store.model import KINDS, LogLine, Pairs, Span

_STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_KIND = {f"SPAN_KIND_{word.upper()}": kind for kind, word in enumerate(KINDS) if word}
# The shortest honest span spends 18 bytes a bracket. Far fewer is no telemetry: each `{}` would
# cost 25 times its size in memory.
_BYTES_A_BRACKET = 8


class _Scope(Struct):
    spans: list[Raw] | None = None
    log_records: list[Raw] | None = None
    log_records_camel: list[Raw] | None = field(default=None, name="logRecords")


class _Group(Struct):
    resource: dict[str, Any] | None = None
    scope_spans: list[_Scope] | None = None
    scope_spans_camel: list[_Scope] | None = field(default=None, name="scopeSpans")
    scope_logs: list[_Scope] | None = None
    scope_logs_camel: list[_Scope] | None = field(default=None, name="scopeLogs")


class _Request(Struct):
    resource_spans: list[_Group] | None = None
    resource_spans_camel: list[_Group] | None = field(default=None, name="resourceSpans")
    resource_logs: list[_Group] | None = None
    resource_logs_camel: list[_Group] | None = field(default=None, name="resourceLogs")


# msgspec lets text that is no UTF-8 and objects within objects without end through as themselves.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_request = msgspec.json.Decoder(_Request)
_item = msgspec.json.Decoder(dict[str, Any])


def items(body: bytes, signal: str, assembler: Normalizer) -> Iterator[tuple[Resource, bytes]]:
    """Each span or line of the request, not yet taken apart, with its sender.

    Raises `Malformed` when the request as a whole cannot be read."""
    if (body.count(b"{") + body.count(b"[")) * _BYTES_A_BRACKET > len(body) + 64:
        raise Malformed("this is mostly brackets")
    try:
        request = _request.decode(body)
    except _UNREADABLE as error:
        raise Malformed(f"the body is no OTLP in JSON: {str(error)[:80]}") from None
    traces = signal == "traces"
    groups = (
        (request.resource_spans, request.resource_spans_camel)
        if traces
        else (request.resource_logs, request.resource_logs_camel)
    )
    for group in _both(*groups):
        resource = assembler.resource(attributes_of((group.resource or {}).get("attributes")))
        scopes = (
            _both(group.scope_spans, group.scope_spans_camel)
            if traces
            else _both(group.scope_logs, group.scope_logs_camel)
        )
        for scope in scopes:
            raws = (
                scope.spans or [] if traces else _both(scope.log_records, scope.log_records_camel)
            )
            for raw in raws:
                yield resource, bytes(raw)


def span(raw: bytes, resource: Resource, assembler: Normalizer) -> Span:
    """One span; raises `Malformed`."""
    return json_usual.span(raw, resource, assembler) or _span(raw, resource, assembler)


def line(raw: bytes, resource: Resource, assembler: Normalizer) -> LogLine:
    """One line of log; raises `Malformed`."""
    return json_usual.line(raw, resource, assembler) or _line(raw, resource, assembler)


def _span(raw: bytes, resource: Resource, assembler: Normalizer) -> Span:
    it = _decode(raw)
    status = mapping(it, "status")
    return assembler.span(
        resource,
        ids=(
            text(it, "traceId").lower(),
            text(it, "spanId").lower(),
            text(it, "parentSpanId").lower(),
        ),
        name=text(it, "name"),
        kind=integer(it, "kind", _KIND),
        times=(integer(it, "startTimeUnixNano"), integer(it, "endTimeUnixNano")),
        status=(integer(status, "code", _STATUS), text(status, "message")),
        attributes=_pairs(it, assembler),
        events=[
            (integer(event, "timeUnixNano"), text(event, "name"), _pairs(event, assembler))
            for event in objects(it, "events", limits.EVENTS, assembler.scissors)
        ],
        links=[
            (text(link, "traceId").lower(), text(link, "spanId").lower())
            for link in objects(it, "links", limits.LINKS, assembler.scissors)
        ],
    )


def _line(raw: bytes, resource: Resource, assembler: Normalizer) -> LogLine:
    it = _decode(raw)
    message = text_of(plain(value_of(it, "body")))
    return assembler.line(
        resource,
        ids=(text(it, "traceId").lower(), text(it, "spanId").lower()),
        at_ns=integer(it, "timeUnixNano") or integer(it, "observedTimeUnixNano"),
        severity=integer(it, "severityNumber"),
        message=message,
        attributes=_pairs(it, assembler),
    )


def _both(snake: list[Any] | None, camel: list[Any] | None) -> list[Any]:
    return [*(snake or ()), *(camel or ())]


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        return _item.decode(raw)
    except _UNREADABLE:
        raise Malformed("not an object of JSON") from None


def _pairs(it: dict[str, Any], assembler: Normalizer) -> Pairs:
    found = it.get("attributes")
    if not isinstance(found, list | None):
        raise Malformed("attributes are no list")
    return assembler.pairs(attributes_of(found), len(found)) if found else ()
