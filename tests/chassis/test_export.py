"""Spans and log lines leave as OTLP; a bad collector costs counted drops and nothing else."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from chassis import VERSION
from chassis.telemetry import exporter as export
from chassis.telemetry.context import CLIENT, Span
from chassis.telemetry.exporter import Exporter
from tests.chassis.collector import BAD_COLLECTORS, Collector
from tests.harness import wire

TIMEOUT_S = 0.3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds for a collector are right in life and long in a test."""
    monkeypatch.setattr(export, "_TIMEOUT_S", TIMEOUT_S)


def _span(number: int = 0) -> Span:
    return Span(
        f"{number + 1:032x}", "b" * 16, "GET /x", CLIENT, parent_id="c" * 16, start_ns=1, end_ns=2,
        attributes={"text": "ü", "whole": 1, "half": 0.5, "yes": True},
        events=[(3, "gremlin bite", {"name": "g"})], links=[("d" * 32, "e" * 16)],
        error="http 500",
    )  # fmt: skip


def _values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in attributes}


async def _export(url: str, use: Callable[[Exporter], None]) -> Exporter:
    exporter = Exporter(url, "order-service", "test")
    exporter.start()
    use(exporter)
    await asyncio.to_thread(exporter.stop)
    return exporter


async def test_a_span_arrives_as_otlp_json():
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        exporter = await _export(f"{url}/", lambda e: e.add_span(_span()))
    assert exporter.dropped == 0
    (resource,) = collector.traces[0]["resourceSpans"]
    named = _values(resource["resource"]["attributes"])
    assert named["service.name"] == {"stringValue": "order-service"}
    assert named["service.version"] == {"stringValue": VERSION}
    assert named["deployment.environment.name"] == {"stringValue": "test"}
    (span,) = collector.spans
    assert (span["traceId"], span["spanId"]) == (f"{1:032x}", "b" * 16)
    assert (span["parentSpanId"], span["kind"], span["name"]) == ("c" * 16, 3, "GET /x")
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("1", "2")
    assert _values(span["attributes"]) == {
        "text": {"stringValue": "ü"}, "whole": {"intValue": "1"}, "half": {"doubleValue": 0.5},
        "yes": {"boolValue": True},
    }  # fmt: skip
    (event,) = span["events"]
    assert (event["name"], event["timeUnixNano"]) == ("gremlin bite", "3")
    assert span["links"] == [{"traceId": "d" * 32, "spanId": "e" * 16}]
    assert span["status"] == {"code": 2, "message": "http 500"}


async def test_a_log_line_arrives_with_its_trace():
    line = {"level": "WARNING", "message": "hm", "trace_id": "a" * 32, "span_id": "b" * 16,
            "service": "x", "n": 1}  # fmt: skip
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        await _export(url, lambda e: e.add_log(line, 1.5))
    (record,) = collector.lines
    assert record["body"] == {"stringValue": "hm"}
    assert (record["severityText"], record["severityNumber"]) == ("WARNING", 13)
    assert (record["traceId"], record["spanId"]) == ("a" * 32, "b" * 16)
    assert record["timeUnixNano"] == "1500000000"
    assert _values(record["attributes"])["n"] == {"intValue": "1"}


@pytest.mark.parametrize("behaviour", BAD_COLLECTORS)
async def test_a_bad_collector_costs_counted_drops(
    behaviour: str, caplog: pytest.LogCaptureFixture
):
    def use(exporter: Exporter) -> None:
        begun = time.monotonic()
        for number in range(600):
            exporter.add_span(_span(number))
        assert time.monotonic() - begun < 0.5

    begun = time.monotonic()
    async with wire.listen(BAD_COLLECTORS[behaviour]) as url:
        exporter = await _export(url, use)
        # Stopping waits one timeout; what is under way then is lost with the process.
        assert time.monotonic() - begun < 2 * TIMEOUT_S + 1
        await asyncio.to_thread(exporter.thread.join, 5)
    assert exporter.dropped == 600
    # Said once per outage, not once per batch.
    assert caplog.text.count("telemetry is being dropped") == 1


async def test_what_a_vendor_asks_for_goes_with_every_request():
    heads: list[bytes] = []

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await wire.read_request(reader))
        writer.write(wire.http(200, b"{}"))
        await writer.drain()

    async with wire.listen(vendor) as url:
        exporter = Exporter(url, "x", "test", headers="api-key=a%3Db, x-team = shop")
        exporter.start()
        exporter.add_span(_span())
        await asyncio.to_thread(exporter.stop)
    head = heads[0].lower()
    assert b"api-key: a=b\r\n" in head
    assert b"x-team: shop\r\n" in head


def _left(exporter: Exporter) -> list[Span]:
    return list(vars(exporter)["_spans"])


async def test_a_dead_collector_costs_counted_drops():
    async with wire.listen(wire.silence) as gone:
        pass
    exporter = await _export(gone, lambda e: [e.add_span(_span(n)) for n in range(3)] and None)
    assert exporter.dropped == 3


def test_a_full_queue_drops_the_oldest():
    exporter = Exporter("http://127.0.0.1:1", "x", "test")
    for number in range(5000):
        exporter.add_span(_span(number))
        exporter.add_log({"level": "INFO", "message": str(number)}, 0.0)
    kept = _left(exporter)
    assert len(kept) == 4096
    assert kept[-1].trace_id == f"{5000:032x}"
    assert exporter.dropped == 2 * (5000 - 4096)
