"""Reads OTLP in protobuf, piece by piece, so that one broken span costs only itself."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as WireResource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from observatory import limits
from observatory.otlp.normalize import Malformed, Normalizer, Plain, Resource, text_of
from observatory.store.model import Pairs, StoredLine, StoredSpan


def _two_lists_of_bytes() -> Any:
    """A message whose fields 1 and 2 are repeated bytes.

    On the wire a nested message and bytes look alike, and at each level of an export request
    (request, resource, scope) what is nested has number 1 or 2. Read as bytes, a request costs
    its own size; read whole, the two bytes of an empty span cost a hundred and fifty."""
    wire = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="valerix/pieces.proto", package="valerix")
    message = file.message_type.add(name="Pieces")
    for number, name in ((1, "first"), (2, "second")):
        message.field.add(name=name, number=number, type=wire.TYPE_BYTES, label=wire.LABEL_REPEATED)
    # A pool of its own: the process-wide one is shared with all other users of protobuf.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("valerix.Pieces"))


_Pieces = _two_lists_of_bytes()


def items(body: bytes, _: str, normalizer: Normalizer) -> Iterator[tuple[Resource, bytes]]:
    """Each span or line of the request, not yet decoded, with its sender. Both signals have
    the same frame.

    Raises `Malformed` when the request as a whole cannot be read."""
    for group in _pieces(body).first:
        parts = _pieces(group)
        # A message that comes in several pieces is, by definition, their concatenation.
        resource = _resource(b"".join(parts.first), normalizer)
        for scope in parts.second:
            for raw in _pieces(scope).second:
                yield resource, raw


def _pieces(raw: bytes) -> Any:
    try:
        return _Pieces.FromString(raw)
    except DecodeError:
        raise Malformed("the body is not valid OTLP in protobuf") from None


def _resource(raw: bytes, normalizer: Normalizer) -> Resource:
    if len(raw) > limits.ITEM_BYTES:
        raise Malformed("the resource is too large")
    try:
        return normalizer.resource(_attributes(WireResource.FromString(raw).attributes))
    except DecodeError:
        raise Malformed("the resource cannot be read") from None


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
        attributes=_pairs(it.attributes, normalizer),
        events=[
            (event.time_unix_nano, event.name, _pairs(event.attributes, normalizer))
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
        severity=it.severity_number,
        message=text_of(_plain(it.body)),
        attributes=_pairs(it.attributes, normalizer),
    )


def _pairs(found: Any, normalizer: Normalizer) -> Pairs:
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
