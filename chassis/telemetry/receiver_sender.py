"""Sends spans and lines of log as OTLP in JSON to the shop's own receiver.

Only there: it costs a fraction of the official exporter (docs/decisions/0025)."""

from collections.abc import Callable, Sequence
from typing import Any, Generic

import msgspec
from msgspec import Struct

from chassis.http.ask import ask
from chassis.telemetry.batch_queue import NotAccepted, NotDelivered, T
from chassis.telemetry.context import Span
from chassis.telemetry.log_lines import LogLine

TIMEOUT_S = 3.0
# Too much at once: what OTLP's specification lets a client send again.
_FULL = 503
_SEVERITY = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
_SCOPE = {"name": "valerix"}


class _PartialSuccess(Struct, frozen=True, rename="camel"):
    rejected_spans: int = 0
    rejected_log_records: int = 0
    error_message: str = ""


class _Response(Struct, frozen=True, rename="camel"):
    partial_success: _PartialSuccess = _PartialSuccess()


# Not strict: numbers of 64 bits are strings in OTLP's JSON.
def _decode(raw: bytes) -> _Response:
    return msgspec.json.decode(raw, type=_Response, strict=False)


class ReceiverSender(Generic[T]):
    """Posts one kind of signal to one address."""

    def __init__(
        self, url: str, headers: dict[str, str], body: Callable[[Sequence[T]], dict[str, Any]]
    ) -> None:
        self._url, self._body = url, body
        self._headers = {"Content-Type": "application/json", **headers}

    def send(self, batch: Sequence[T]) -> None:
        """One request, given up after `TIMEOUT_S`; the headers go to this address alone."""
        body = msgspec.json.encode(self._body(batch), enc_hook=str)
        try:
            status, response = ask("POST", self._url, self._headers, body=body, timeout_s=TIMEOUT_S)
        except ConnectionRefusedError as error:
            raise NotAccepted(str(error)) from error
        except OSError as error:
            raise NotDelivered(str(error)) from error
        if status // 100 != 2:
            refusal = NotAccepted if status == _FULL else NotDelivered
            raise refusal(f"the receiver answers {status}")
        _demand_all_taken(response)

    def close(self) -> None:
        """Nothing is kept open between two requests."""


def _demand_all_taken(response: bytes) -> None:
    try:
        partial = _decode(response).partial_success
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Accepted is what the status says; OTLP's response may be empty.
        return
    if count := partial.rejected_spans + partial.rejected_log_records:
        raise NotDelivered(f"{count} rejected: {partial.error_message}", count)


def span_sender(
    resource: dict[str, str | int], endpoint: str, headers: dict[str, str]
) -> ReceiverSender[Span]:
    """For spans; `endpoint` is the whole address."""
    about = {"attributes": _attributes(resource)}

    def body(batch: Sequence[Span]) -> dict[str, Any]:
        group = {"scope": _SCOPE, "spans": [_span(span) for span in batch]}
        return {"resourceSpans": [{"resource": about, "scopeSpans": [group]}]}

    return ReceiverSender(endpoint, headers, body)


def log_sender(
    resource: dict[str, str | int], endpoint: str, headers: dict[str, str]
) -> ReceiverSender[LogLine]:
    """For lines of log."""
    about = {"attributes": _attributes(resource)}

    def body(batch: Sequence[LogLine]) -> dict[str, Any]:
        group = {"scope": _SCOPE, "logRecords": [_log(line) for line in batch]}
        return {"resourceLogs": [{"resource": about, "scopeLogs": [group]}]}

    return ReceiverSender(endpoint, headers, body)


def _value(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}


def _attributes(values: dict[str, Any]) -> list[dict[str, object]]:
    return [
        {"key": key, "value": {"stringValue": value} if type(value) is str else _value(value)}
        for key, value in values.items()
    ]


def _span(span: Span) -> dict[str, Any]:
    """One span in the JSON mapping of OTLP 1.x (hex ids, stringified 64-bit integers)."""
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "traceState": span.tracestate,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [
            {"timeUnixNano": str(at), "name": name, "attributes": _attributes(attributes)}
            for at, name, attributes in span.events
        ],
        "links": [{"traceId": trace, "spanId": parent} for trace, parent in span.links],
        "status": {"code": 2, "message": span.error} if span.error else {"code": 0},
    }


def _log(line: LogLine) -> dict[str, Any]:
    fields = line.fields
    rest = {k: v for k, v in fields.items() if k not in ("timestamp", "message", "level")}
    return {
        "timeUnixNano": str(int(line.created_s * 1e9)),
        "severityNumber": _SEVERITY.get(fields["level"], 9),
        "severityText": fields["level"],
        "body": {"stringValue": fields["message"]},
        "traceId": rest.pop("trace_id", ""),
        "spanId": rest.pop("span_id", ""),
        "attributes": _attributes(rest),
    }
