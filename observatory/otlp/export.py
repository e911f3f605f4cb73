"""Kept spans as OTLP in JSON, which any program that reads OpenTelemetry's files takes."""

from collections.abc import Iterable
from typing import Any

import msgspec

from observatory.store.model import Event, Pairs, StoredSpan


def traces_data(spans: Iterable[StoredSpan]) -> bytes:
    """OpenTelemetry's TracesData, one resource for each sender. Every value is text: what it was
    when it came is not kept.

    Source: opentelemetry.io, "OTLP Specification", JSON Protobuf Encoding: ids in hex, 64-bit
    integers as text, enumerations as numbers."""
    senders: dict[tuple[str, str, Pairs], list[dict[str, Any]]] = {}
    for span in spans:
        sender = (span.service, span.instance, span.resource)
        senders.setdefault(sender, []).append(_span(span))
    groups = [
        {
            "resource": {"attributes": _attributes(_resource(*sender))},
            "scopeSpans": [{"scope": {"name": "valerix"}, "spans": found}],
        }
        for sender, found in senders.items()
    ]
    return msgspec.json.encode({"resourceSpans": groups})


def _resource(service: str, instance: str, others: Pairs) -> Pairs:
    who = (("service.name", service), ("service.instance.id", instance))
    return (*(pair for pair in who if pair[1]), *others)


def _span(span: StoredSpan) -> dict[str, Any]:
    made = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [_event(event) for event in span.events],
        "links": [{"traceId": link.trace_id, "spanId": link.span_id} for link in span.links],
        "status": {"code": 2, "message": span.error} if span.failed else {},
    }
    return {name: value for name, value in made.items() if value not in ("", [])}


def _event(event: Event) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event.at_ns),
        "name": event.name,
        "attributes": _attributes(event.attributes),
    }


def _attributes(pairs: Pairs) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs]
