"""A telemetry collector that keeps what it gets, and some that behave badly."""

import asyncio
import json
from typing import Any

from tests.harness import wire


class Collector:
    """Keeps what it is sent, as an OpenTelemetry collector would."""

    def __init__(self) -> None:
        self.traces: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            head, _, body = (await wire.read_request(reader)).partition(b"\r\n\r\n")
            assert b"content-type: application/json" in head.lower()
            into = self.traces if b"/v1/traces" in head else self.logs
            into.append(json.loads(body))
            writer.write(wire.http(200, b"{}"))
            await writer.drain()

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Every span, with its service's name."""
        return [
            span
            for batch in self.traces
            for resource in batch["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every log record."""
        return [
            record
            for batch in self.logs
            for resource in batch["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]


BAD_COLLECTORS: dict[str, wire.Handler] = {
    "refuses": wire.says(wire.http(503, b"full")),
    "does not know us": wire.says(wire.http(404, b"")),
    "resets": wire.reset,
    "says nothing": wire.silence,
    "talks nonsense": wire.says(b"220 mail.example ESMTP\r\n\r\n", then=wire.reset),
}
