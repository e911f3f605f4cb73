"""Reads OTLP in protobuf, piece by piece, so that one broken span costs only itself."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as WireResource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from observatory import limits
from observatory.otlp.normalize import Malformed, Normalizer, Plain, Resource, text_of
from observatory.otlp.pieces import Pieces, Sender
from observatory.store.model import Pairs, StoredLine, StoredSpan

_LONGEST_VARINT = 10


def items(body: bytes, _: str, normalizer: Normalizer) -> Iterator[tuple[Sender, bytes]]:
    """Each span, line or metric of the request, not yet decoded, with its sender. All signals have
    the same frame: at each level (request, resource, scope) what is nested has number 1 or 2.

    Raises `Malformed` when the request as a whole cannot be read, or `TooLarge`."""
    count = Pieces().count
    for group in _nested(memoryview(body), 1):
        count()
        sender = _sender(group, normalizer)
        for scope in _nested(group, 2):
            count()
            for raw in _nested(scope, 2):
                count()
                yield sender, bytes(raw)


def _nested(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Each nested message with this number, none of them decoded: read whole, the two bytes of an
    empty span would cost a hundred and fifty.

    Source: protobuf.dev, "Encoding": a field is its number and type, then its content."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(message, at)
            if tag >> 3 == wanted and at + size <= end:
                yield message[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise _unreadable()
    if at != end:
        raise _unreadable()


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number of variable length, and where it ends."""
    if at < len(message) and message[at] < 0x80:  # most are one byte
        return message[at], at + 1
    value = 0
    for shift, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise _unreadable()


def _unreadable() -> Malformed:
    return Malformed("the body is not valid OTLP in protobuf")


def _sender(group: memoryview, normalizer: Normalizer) -> Sender:
    # A message that comes in several pieces is, by definition, their concatenation.
    raw = b"".join(_nested(group, 1))
    if len(raw) > limits.ITEM_BYTES:
        return Malformed("the resource is too large")
    try:
        return normalizer.resource(_attributes(WireResource.FromString(raw).attributes))
    except DecodeError:
        return Malformed("the resource cannot be read")


def span(raw: bytes, resource: Resource, normalizer: Normalizer) -> StoredSpan:
    """One span; raises `Malformed`."""
    try:
        it = WireSpan.FromString(raw)
    except DecodeError:
        raise Malformed("a span cannot be read") from None
    normalizer.clipper.count(len(it.events), limits.EVENTS)
    normalizer.clipper.count(len(it.links), limits.LINKS)
    return normalizer.span(
        resource,
        ids=(it.trace_id.hex(), it.span_id.hex(), it.parent_span_id.hex()),
        name=it.name,
        kind=it.kind,
        times=(it.start_time_unix_nano, it.end_time_unix_nano),
        status=(it.status.code, it.status.message),
        attributes=attribute_pairs(it.attributes, normalizer),
        events=[
            (event.time_unix_nano, event.name, attribute_pairs(event.attributes, normalizer))
            for event in it.events[: limits.EVENTS]
        ],
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in it.links[: limits.LINKS]],
    )


def line(raw: bytes, resource: Resource, normalizer: Normalizer) -> StoredLine:
    """One line of log; raises `Malformed`."""
    try:
        it = LogRecord.FromString(raw)
    except DecodeError:
        raise Malformed("a line of log cannot be read") from None
    return normalizer.line(
        resource,
        ids=(it.trace_id.hex(), it.span_id.hex()),
        at_ns=it.time_unix_nano or it.observed_time_unix_nano,
        severity=(it.severity_number, it.severity_text),
        message=text_of(_plain(it.body)),
        event=it.event_name,
        attributes=attribute_pairs(it.attributes, normalizer),
    )


def attribute_pairs(found: Any, normalizer: Normalizer) -> Pairs:
    """Attributes as they are kept."""
    return normalizer.pairs(_attributes(found), len(found)) if found else ()


def _attributes(found: Iterable[KeyValue]) -> Iterator[tuple[str, Plain]]:
    for pair in found:
        yield pair.key, _plain(pair.value)


def _plain(value: AnyValue, depth: int = 0) -> Plain:
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind not in ("array_value", "kvlist_value"):
        return getattr(value, kind)
    if depth >= limits.NESTING:
        return "\u2026"
    if kind == "array_value":
        return [_plain(inner, depth + 1) for inner in value.array_value.values[: limits.WIDTH]]
    return {
        pair.key: _plain(pair.value, depth + 1)
        for pair in value.kvlist_value.values[: limits.WIDTH]
    }
