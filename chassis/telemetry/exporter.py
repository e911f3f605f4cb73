"""Sends spans and log lines over OTLP/HTTP from its own thread: a dead collector costs drops."""

import logging
import threading
import time
import urllib.request
from collections import deque
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote

import msgspec

from chassis import VERSION
from chassis.telemetry.context import Span

# 4096 spans are about 2 MB; past that the oldest go, so that the newest fault stays visible.
_QUEUE = 4096
_BATCH = 512
_EVERY_S = 1.0
_TIMEOUT_S = 3.0
_SEVERITY = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}

logger = logging.getLogger(__name__)


class Exporter:
    """Two bounded queues and one daemon thread. `dropped` counts what was not delivered."""

    def __init__(self, endpoint: str, service: str, environment: str, headers: str = "") -> None:
        """`headers` go with every request, written name=value,name=value as in
        OTEL_EXPORTER_OTLP_HEADERS (OpenTelemetry specification, protocol/exporter)."""
        self._endpoint = endpoint.rstrip("/")
        self._headers = {"Content-Type": "application/json", **_pairs(headers)}
        self._resource = {
            "attributes": _attributes(
                {
                    "service.name": service,
                    "service.version": VERSION,
                    "service.instance.id": f"{service}-{time.time_ns():x}",
                    "deployment.environment.name": environment,
                }
            )
        }
        self._spans: deque[Span] = deque()
        self._logs: deque[tuple[dict[str, Any], float]] = deque()
        self._stopping = threading.Event()
        self._failing = False
        self.dropped = 0
        self.thread = threading.Thread(target=self._run, name="otlp-export", daemon=True)

    def start(self) -> None:
        """Begin exporting."""
        self.thread.start()

    def stop(self) -> None:
        """Send what is queued, for at most one timeout."""
        self._stopping.set()
        self.thread.join(_TIMEOUT_S)

    def add_span(self, span: Span) -> None:
        """Queue a finished span; the oldest makes room."""
        if len(self._spans) >= _QUEUE:
            self._spans.popleft()
            self.dropped += 1
        self._spans.append(span)

    def add_log(self, line: dict[str, Any], created_s: float) -> None:
        """Queue a log line; the oldest makes room."""
        if len(self._logs) >= _QUEUE:
            self._logs.popleft()
            self.dropped += 1
        self._logs.append((line, created_s))

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while batch := _take(self._spans):
            self._post("/v1/traces", self._traces(batch), len(batch))
        while lines := _take(self._logs):
            self._post("/v1/logs", self._lines(lines), len(lines))

    def _post(self, path: str, body: dict[str, Any], size: int) -> None:
        request = urllib.request.Request(  # noqa: S310 - the operator names the collector
            self._endpoint + path,
            data=msgspec.json.encode(body, enc_hook=str),
            headers=self._headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
                self._failing = False
        except (OSError, ValueError, HTTPException) as error:
            self.dropped += size
            if not self._failing:
                # Said once per outage: a line per batch would be a second fault.
                logger.warning("telemetry is being dropped: %s", error)
            self._failing = True

    def _traces(self, spans: list[Span]) -> dict[str, Any]:
        scope = {"scope": {"name": "valerix"}, "spans": [_span(span) for span in spans]}
        return {"resourceSpans": [{"resource": self._resource, "scopeSpans": [scope]}]}

    def _lines(self, lines: list[tuple[dict[str, Any], float]]) -> dict[str, Any]:
        records = [_log(line, created_s) for line, created_s in lines]
        scope = {"scope": {"name": "valerix"}, "logRecords": records}
        return {"resourceLogs": [{"resource": self._resource, "scopeLogs": [scope]}]}


def _pairs(headers: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in headers.split(",") if each.strip())
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _take(queue: deque[Any]) -> list[Any]:
    batch: list[Any] = []
    while queue and len(batch) < _BATCH:
        batch.append(queue.popleft())
    return batch


def _value(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}


def _attributes(values: dict[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _span(span: Span) -> dict[str, Any]:
    """One span in the JSON mapping of OTLP 1.x (hex ids, stringified 64-bit integers)."""
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
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


def _log(line: dict[str, Any], created_s: float) -> dict[str, Any]:
    rest = {k: v for k, v in line.items() if k not in ("timestamp", "message", "level")}
    return {
        "timeUnixNano": str(int(created_s * 1e9)),
        "severityNumber": _SEVERITY.get(line["level"], 9),
        "severityText": line["level"],
        "body": {"stringValue": line["message"]},
        "traceId": rest.pop("trace_id", ""),
        "spanId": rest.pop("span_id", ""),
        "attributes": _attributes(rest),
    }
