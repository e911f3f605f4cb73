"""What stands around a sender: proxies, redirects, and collectors that take only a part."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from chassis.telemetry.senders import destination
from fleet.settings import load
from tests.chassis.telemetry.collector import Collector
from tests.chassis.telemetry.test_senders import LINE, WAYS, _span, listen, send
from tests.harness import wire

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "grpc_proxy")
# A name of another machine, which no test ever reaches.
ELSEWHERE = "http://collector.example"


@pytest.fixture(autouse=True)
def no_exceptions_from_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nobody thought of NO_PROXY."""
    for name in ("NO_PROXY", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_local_goes_through_a_proxy(way: str, monkeypatch: pytest.MonkeyPatch):
    collector = Collector()
    async with wire.listen(wire.reset) as dead:
        for name in PROXIES:
            monkeypatch.setenv(name, dead)
        async with listen(way, collector) as url:
            queues = await send(monkeypatch, way, url, _span(), LINE)
    assert [queue.dropped for queue in queues] == [0, 0]
    assert (len(collector.spans), len(collector.lines)) == (1, 1)


@pytest.mark.parametrize("way", ["http", "grpc"])
async def test_what_is_elsewhere_goes_through_the_proxy(way: str, monkeypatch: pytest.MonkeyPatch):
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(wire.http(502, b""))

    async with wire.listen(note) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        await send(monkeypatch, way, f"{ELSEWHERE}:4318", _span())
    assert any(b"collector.example:4318" in line for line in asked)


async def test_what_no_proxy_names_is_reached_without_one(monkeypatch: pytest.MonkeyPatch):
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())

    async with wire.listen(note) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("NO_PROXY", "collector.example")
        spans, _ = await send(monkeypatch, "http", ELSEWHERE, _span())
    assert (asked, spans.dropped) == ([], 1)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:4318", True),
        ("localhost:4317", True),
        ("https://[::1]:4317", True),
        ("https://otlp.example.com", False),
        ("collector:4317", False),
        ("http://192.168.1.5:4318", False),
    ],
)
def test_local_is_this_machine(address: str, local: bool):
    found = destination(load("order", {}), address, "grpc", "/v1/traces")
    assert found is not None
    assert found.is_local is local


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("way", ["receiver", "http"])
async def test_a_redirect_is_a_failed_send_and_takes_no_headers_along(
    way: str, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name in ("VALERIX_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"):
        monkeypatch.setenv(name, "api-key=secret")
    other = Collector()
    async with wire.listen(other.handle) as elsewhere:
        moved = wire.http(status, b"", f"Location: {elsewhere}/v1/traces")
        async with wire.listen(wire.responds(moved)) as url:
            spans, _ = await send(monkeypatch, way, url, *(_span(n) for n in range(600)))
    assert (other.heads, spans.dropped) == ([], 600)
    (line,) = caplog.messages
    assert str(status) in line


async def test_a_password_of_netrc_does_not_replace_the_header_that_was_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20ours")
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        await send(monkeypatch, "http", url, _span())
    assert b"authorization: bearer ours" in collector.heads[0]


class Choosy(Collector):
    """Takes requests and rejects two items of each."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection over HTTP."""
        while True:
            request = await wire.read_request(reader)
            if b"application/json" in request.lower():
                name = b"Spans" if b"/v1/traces" in request else b"LogRecords"
                body = b'{"partialSuccess":{"rejected%s":"2","errorMessage":"too old"}}' % name
                answer = wire.http(200, body)
            else:
                answer = wire.http(200, PARTLY, media_type="application/x-protobuf")
            writer.write(answer)
            await writer.drain()

    def accept(self, request: Any, context: grpc.ServicerContext, into: Any) -> None:
        """One call over gRPC."""

    def response(self, shape: Any) -> Any:
        """The same over gRPC."""
        return shape.FromString(PARTLY)


PARTLY = ExportTraceServiceResponse(
    partial_success={"rejected_spans": 2, "error_message": "too old"}  # type: ignore[arg-type]
).SerializeToString()


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_collector_rejects_is_counted_with_its_reason_and_logged_once(
    way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with listen(way, Choosy()) as url:
        spans, lines = await send(
            monkeypatch, way, url, *(_span(number) for number in range(600)), LINE, LINE, LINE
        )
    # 600 spans are two batches.
    assert (spans.dropped, lines.dropped) == (4, 2)
    assert sorted(caplog.messages) == [
        "log lines are being dropped: 2 rejected: too old",
        "spans are being dropped: 2 rejected: too old",
    ]


def test_both_signals_responses_are_the_same_bytes():
    lines = ExportLogsServiceResponse.FromString(PARTLY).partial_success
    assert (lines.rejected_log_records, lines.error_message) == (2, "too old")
