"""Reads what nearly every sender of OTLP in JSON sends, in one step instead of field by field.

Spelled in lowerCamelCase, with scalar attributes and every field of its usual type. For anything
else the answer is None, and `otlp_json` reads it with all the patience the specification asks for;
what both read is the same.
"""

from typing import Annotated

from msgspec import UNSET, DecodeError, Meta, Raw, Struct, UnsetType, json

from observatory import limits
from observatory.otlp.normalize import Normalizer, Resource, text_of
from observatory.store.model import LogLine, Pairs, Span

# Nineteen digits are below 2**64 whatever they are.
_DIGITS = 19
_UNUSUAL = (DecodeError, UnicodeDecodeError, RecursionError)
_Number = Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)]


class _Value(Struct, forbid_unknown_fields=True, rename="camel"):
    # A null is not the same as nothing.
    string_value: str | UnsetType = UNSET
    int_value: str | int | UnsetType = UNSET
    bool_value: bool | UnsetType = UNSET
    double_value: float | UnsetType = UNSET


class _Pair(Struct, forbid_unknown_fields=True):
    key: str = ""
    value: _Value | None = None


class _Status(Struct, forbid_unknown_fields=True, frozen=True):
    code: _Number = 0
    message: str = ""


class _Event(Struct, forbid_unknown_fields=True, rename="camel"):
    time_unix_nano: str
    name: str = ""
    attributes: list[_Pair] = []
    dropped_attributes_count: Raw = Raw()


class _Link(Struct, forbid_unknown_fields=True, rename="camel"):
    trace_id: str
    span_id: str
    attributes: Raw = Raw()
    trace_state: Raw = Raw()
    flags: Raw = Raw()
    dropped_attributes_count: Raw = Raw()


class _Span(Struct, forbid_unknown_fields=True, rename="camel"):
    trace_id: str
    span_id: str
    name: str
    start_time_unix_nano: str
    end_time_unix_nano: str
    parent_span_id: str = ""
    kind: _Number = 0
    attributes: list[_Pair] = []
    status: _Status = _Status()
    events: list[_Event] = []
    links: list[_Link] = []
    trace_state: Raw = Raw()
    flags: Raw = Raw()
    dropped_attributes_count: Raw = Raw()
    dropped_events_count: Raw = Raw()
    dropped_links_count: Raw = Raw()


class _Line(Struct, forbid_unknown_fields=True, rename="camel"):
    body: _Value
    time_unix_nano: str
    observed_time_unix_nano: str = "0"
    trace_id: str = ""
    span_id: str = ""
    severity_number: _Number = 0
    attributes: list[_Pair] = []
    severity_text: Raw = Raw()
    flags: Raw = Raw()
    dropped_attributes_count: Raw = Raw()
    event_name: Raw = Raw()


_decode_span = json.Decoder(_Span).decode
_decode_line = json.Decoder(_Line).decode


class _Unusual(Exception):
    """Not for this reader."""


def span(raw: bytes, resource: Resource, assembler: Normalizer) -> Span | None:
    """One span, or None; raises `Malformed` for ids that are none."""
    try:
        it = _decode_span(raw)
        times = (_nano(it.start_time_unix_nano), _nano(it.end_time_unix_nano))
        if len(it.events) > limits.EVENTS or len(it.links) > limits.LINKS:
            return None
        events = [
            (_nano(event.time_unix_nano), event.name, _pairs(event.attributes, assembler))
            for event in it.events
        ]
        attributes = _pairs(it.attributes, assembler)
    except (_Unusual, *_UNUSUAL):
        return None
    return assembler.span(
        resource,
        ids=(it.trace_id.lower(), it.span_id.lower(), it.parent_span_id.lower()),
        name=it.name,
        kind=it.kind,
        times=times,
        status=(it.status.code, it.status.message),
        attributes=attributes,
        events=events,
        links=[(link.trace_id.lower(), link.span_id.lower()) for link in it.links],
    )


def line(raw: bytes, resource: Resource, assembler: Normalizer) -> LogLine | None:
    """One line of log, or None."""
    try:
        it = _decode_line(raw)
        at_ns = _nano(it.time_unix_nano) or _nano(it.observed_time_unix_nano)
        message = _text(it.body)
        attributes = _pairs(it.attributes, assembler)
    except (_Unusual, *_UNUSUAL):
        return None
    return assembler.line(
        resource,
        ids=(it.trace_id.lower(), it.span_id.lower()),
        at_ns=at_ns,
        severity=it.severity_number,
        message=message,
        attributes=attributes,
    )


def _pairs(found: list[_Pair], assembler: Normalizer) -> Pairs:
    if len(found) > limits.ATTRIBUTES:
        raise _Unusual
    texts = [(pair.key, _text(pair.value)) for pair in found]
    cut = assembler.scissors
    return tuple([(cut.line(key, limits.KEY_CHARS), cut.lines(text)) for key, text in texts])


def _text(value: _Value | None) -> str:
    if value is None:
        return ""
    if value.string_value is not UNSET:
        return value.string_value
    if (number := value.int_value) is not UNSET:
        return str(_nano(number) if isinstance(number, str) else _small(number))
    if value.bool_value is not UNSET:
        return text_of(value.bool_value)
    return "" if value.double_value is UNSET else text_of(value.double_value)


def _small(number: int) -> int:
    if abs(number) >> 64:
        raise _Unusual
    return number


def _nano(digits: str) -> int:
    if len(digits) > _DIGITS or not (digits.isascii() and digits.isdigit()):
        raise _Unusual
    return int(digits)
