"""Each exporter delivers spans and lines whole; a bad collector costs counted drops only."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chassis import VERSION
from chassis.settings import BadSetting
from chassis.telemetry import batch_queue, receiver_sender
from chassis.telemetry.batch_queue import BatchQueue, NotAccepted, stop_all
from chassis.telemetry.context import CLIENT, Span
from chassis.telemetry.log_lines import LogLine
from chassis.telemetry.senders import make_senders
from fleet.settings import load
from tests.chassis.telemetry.collector import BAD_COLLECTORS, Collector
from tests.harness import wire

TIMEOUT_S = 0.3
# By exporter: the variable that names the collector, and what else is set.
WAYS = {
    "receiver": ("VALERIX_OTLP_RECEIVER", {}),
    "http": ("OTEL_EXPORTER_OTLP_ENDPOINT", {}),
    "grpc": ("OTEL_EXPORTER_OTLP_ENDPOINT", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds for a collector are right in life and long in a test."""
    monkeypatch.setattr(receiver_sender, "TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(batch_queue, "STOP_S", 2.0)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(TIMEOUT_S))


def _span(number: int = 0) -> Span:
    return Span(
        f"{number + 1:032x}", "b" * 16, "GET /x", CLIENT, parent_id="c" * 16, start_ns=1, end_ns=2,
        attributes={"text": "ü", "whole": 1, "half": 0.5, "yes": True, "other": VERSION.split(".")},
        events=[(3, "gremlin bite", {"name": "g"})], links=[("d" * 32, "e" * 16)],
        error="http 500", tracestate="foo=1,bar=2",
    )  # fmt: skip


LINE = LogLine(
    {"level": "WARNING", "message": "hm", "trace_id": "a" * 32, "span_id": "b" * 16,
     "service": "x", "n": 1, "timestamp": "2026"},
    1.5,
)  # fmt: skip


def _values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in attributes}


@asynccontextmanager
async def listen(way: str, collector: Collector) -> AsyncIterator[str]:
    """The collector's address for this exporter."""
    if way == "grpc":
        with collector.over_grpc() as url:
            yield url
    else:
        async with wire.listen(collector.handle) as url:
            yield url


async def send(
    monkeypatch: pytest.MonkeyPatch, way: str, url: str, *items: Span | LogLine
) -> list[BatchQueue[Any]]:
    """As a process does it: settings, senders, queues, and the end."""
    name, more = WAYS[way]
    for variable, value in {name: url, **more}.items():
        monkeypatch.setenv(variable, value)
    spans, lines = make_senders(load("order"), "order-service")
    assert spans is not None
    assert lines is not None
    queues = (BatchQueue("spans", spans), BatchQueue("log lines", lines))
    for queue in queues:
        queue.start()
    for item in items:
        queues[isinstance(item, LogLine)].add(item)
    await asyncio.to_thread(stop_all, queues)
    for queue in queues:
        await asyncio.to_thread(queue.thread.join, 5)
    return list(queues)


@pytest.mark.parametrize("way", WAYS)
async def test_a_span_and_a_line_arrive_whole(way: str, monkeypatch: pytest.MonkeyPatch):
    collector = Collector()
    async with listen(way, collector) as url:
        queues = await send(monkeypatch, way, url, _span(), LINE)
    assert [queue.dropped for queue in queues] == [0, 0]
    (resource,) = collector.traces[0]["resourceSpans"]
    named = _values(resource["resource"]["attributes"])
    assert named["service.name"] == {"stringValue": "order-service"}
    assert named["service.version"] == {"stringValue": VERSION}
    assert named["deployment.environment.name"] == {"stringValue": "laptop"}
    assert named["process.pid"] == {"intValue": str(os.getpid())}
    assert named["host.name"]["stringValue"]
    (span,) = collector.spans
    assert (span["traceId"], span["spanId"]) == (f"{1:032x}", "b" * 16)
    assert (span["parentSpanId"], span["kind"], span["name"]) == ("c" * 16, 3, "GET /x")
    assert span["traceState"] == "foo=1,bar=2"
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("1", "2")
    assert _values(span["attributes"]) == {
        "text": {"stringValue": "ü"}, "whole": {"intValue": "1"}, "half": {"doubleValue": 0.5},
        "yes": {"boolValue": True}, "other": {"stringValue": str(VERSION.split("."))},
    }  # fmt: skip
    (event,) = span["events"]
    assert (event["name"], event["timeUnixNano"]) == ("gremlin bite", "3")
    assert [(link["traceId"], link["spanId"]) for link in span["links"]] == [("d" * 32, "e" * 16)]
    assert (span["status"]["code"], span["status"]["message"]) == (2, "http 500")
    (record,) = collector.lines
    assert record["body"] == {"stringValue": "hm"}
    assert (record["severityText"], record["severityNumber"]) == ("WARNING", 13)
    assert (record["traceId"], record["spanId"]) == ("a" * 32, "b" * 16)
    assert record["timeUnixNano"] == "1500000000"
    assert _values(record["attributes"]) == {
        "service": {"stringValue": "x"},
        "n": {"intValue": "1"},
    }


@pytest.mark.parametrize("way", WAYS)
async def test_a_first_span_and_a_line_outside_any_trace_arrive(
    way: str, monkeypatch: pytest.MonkeyPatch
):
    collector = Collector()
    root, line = Span("a" * 32, "b" * 16, "x", 1), LogLine({"level": "INFO", "message": "m"}, 0.0)
    async with listen(way, collector) as url:
        await send(monkeypatch, way, url, root, line)
    assert collector.spans[0]["parentSpanId"] == ""
    assert collector.spans[0]["status"]["code"] == 0
    assert (collector.lines[0]["traceId"], collector.lines[0]["spanId"]) == ("", "")


@pytest.mark.parametrize("behaviour", BAD_COLLECTORS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_bad_collector_costs_counted_drops(
    way: str, behaviour: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    begun = time.monotonic()
    async with wire.listen(BAD_COLLECTORS[behaviour]) as url:
        spans, _ = await send(monkeypatch, way, url, *(_span(number) for number in range(600)))
    assert time.monotonic() - begun < batch_queue.STOP_S + 2
    assert spans.dropped == 600
    # Once per outage, not once per batch or per try.
    (line,) = caplog.messages
    # Our receiver says by 503 that it took nothing; the official exporter tries again by itself.
    waits = (way, behaviour) == ("receiver", "refuses")
    assert line.startswith(f"spans {'wait to be sent again' if waits else 'are being dropped'}: ")


async def test_a_refusal_over_grpc_is_counted_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    with Collector().over_grpc(refuse=True) as url:
        spans, lines = await send(monkeypatch, "grpc", url, _span(), LINE)
    assert (spans.dropped, lines.dropped) == (1, 1)
    # Each with its own reason, whether the end came before the next try or during it.
    for signal in ("spans", "log lines"):
        [line] = [
            each for each in caplog.messages if each.startswith(f"{signal} are being dropped")
        ]
        assert "StatusCode.UNAVAILABLE" in line


@pytest.mark.parametrize("way", WAYS)
async def test_a_dead_collector_costs_counted_drops(way: str, monkeypatch: pytest.MonkeyPatch):
    async with wire.listen(wire.silence) as gone:
        pass
    spans, lines = await send(monkeypatch, way, gone, *(_span(n) for n in range(3)), LINE)
    assert (spans.dropped, lines.dropped) == (3, 1)


async def test_what_a_vendor_asks_for_goes_with_every_request(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VALERIX_OTLP_HEADERS", "api-key=a%3Db, x-team = shop")
    monkeypatch.setitem(WAYS, "named", ("VALERIX_OTLP_ENDPOINT", {}))
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        for way in ("receiver", "named"):
            await send(monkeypatch, way, f"{url}/", _span(), LINE)
    assert len(collector.heads) == 4
    for head in collector.heads:
        assert b"api-key: a=b\r\n" in head + b"\r\n"
        assert b"x-team: shop\r\n" in head + b"\r\n"


class _Idle:
    def send(self, batch: object) -> None:
        """Take it."""

    def close(self) -> None:
        """Nothing is open."""


def test_a_full_queue_drops_the_oldest():
    queue: BatchQueue[int] = BatchQueue("spans", _Idle())
    for number in range(5000):
        queue.add(number)
    kept = list(vars(queue)["_items"])
    assert (len(kept), kept[-1], queue.dropped) == (4096, 4999, 5000 - 4096)


async def test_what_nobody_listened_to_is_sent_once_somebody_does():
    arrived: list[int] = []

    class Late(_Idle):
        def __init__(self) -> None:
            self.tries = 0

        def send(self, batch: Any) -> None:
            self.tries += 1
            if self.tries == 1:
                raise NotAccepted("refused")
            arrived.extend(batch)

    queue: BatchQueue[int] = BatchQueue("spans", Late())
    for number in range(600):
        queue.add(number)
    vars(BatchQueue)["_drain"](queue)
    for number in range(600, 4300):
        queue.add(number)
    queue.start()
    await asyncio.to_thread(stop_all, [queue])
    assert (arrived, queue.dropped) == (list(range(4300 - 4096, 4300)), 4300 - 4096)


async def test_a_batch_that_breaks_its_exporter_costs_only_itself():
    broken: list[int] = []

    class Fragile(_Idle):
        def send(self, batch: Any) -> None:
            broken.append(len(batch))
            raise UnicodeError("x")

    queue: BatchQueue[int] = BatchQueue("spans", Fragile())
    for number in range(600):
        queue.add(number)
    queue.start()
    await asyncio.to_thread(stop_all, [queue])
    assert (broken, queue.dropped) == ([512, 88], 600)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "lz4")],
)
def test_what_the_exporter_refuses_is_refused_at_the_start(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    name, more = WAYS["grpc"]
    for each, given in {name: "http://127.0.0.1:1", **more, variable: value}.items():
        monkeypatch.setenv(each, given)
    with pytest.raises(BadSetting, match="OTEL_EXPORTER_OTLP_"):
        make_senders(load("order"), "order-service")


def test_only_the_exporter_that_is_used_is_imported():
    program = (
        "import sys\n"
        "from fleet.settings import load\n"
        "from chassis.telemetry.senders import make_senders\n"
        "make_senders(load('order', {}, otlp_receiver='http://127.0.0.1:1'), 'x')\n"
        "names = {name.split('.')[0] for name in sys.modules}\n"
        "print(names & {'opentelemetry', 'grpc', 'requests', 'google'})"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert found.stdout.strip() == b"set()", found.stderr
