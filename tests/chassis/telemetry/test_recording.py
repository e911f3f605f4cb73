"""What one request leaves behind, that it costs the request nothing, and how a line looks."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from chassis.telemetry import log_lines, recording
from fleet.settings import load
from tests.chassis.bare import NAME, run_bare
from tests.chassis.telemetry.collector import BAD_COLLECTORS, Collector
from tests.harness import wire
from tests.harness.serving import settings_of

TIMEOUT_S = 1.5


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds for a collector are right in life and long in a test."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(TIMEOUT_S))


def _values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in attributes}


async def _ask(database_url: str, collector_url: str, **settings: Any) -> tuple[str, float]:
    recording.start(load("order", {}, otlp_endpoint=collector_url, **settings), service=NAME)
    async with run_bare(settings_of("order", database_url)) as bare:
        begun = time.monotonic()
        answer = await bare.door.get("/now")
        took_s = time.monotonic() - begun
        for path in ("/health", "/metrics", "/health/live"):
            await bare.door.get(path)
    await asyncio.to_thread(recording.stop)
    return answer.headers["x-trace-id"], took_s


@pytest.mark.usefixtures("signals")
async def test_a_request_leaves_a_server_span_a_statement_and_one_line_of_one_trace(
    database_url: str,
):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        trace_id, _ = await _ask(database_url, url, log_format="json")
    spans = {span["name"]: span for span in collector.spans if span["traceId"] == trace_id}
    assert set(spans) == {"GET /now", "SELECT now"}
    assert spans["GET /now"]["kind"] == 2
    assert spans["SELECT now"]["parentSpanId"] == spans["GET /now"]["spanId"]
    assert _values(spans["GET /now"]["attributes"])["http.route"] == {"stringValue": "/now"}
    (line,) = [record for record in collector.lines if record["traceId"] == trace_id]
    assert line["body"] == {"stringValue": "GET /now"}
    quiet = {"GET /health", "GET /metrics", "GET /health/live"}
    assert not quiet & {span["name"] for span in collector.spans}


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("behaviour", ["says nothing", "resets"])
async def test_a_request_is_no_slower_with_a_bad_collector(database_url: str, behaviour: str):
    async with wire.listen(BAD_COLLECTORS[behaviour]) as url:
        _, took_s = await _ask(database_url, url)
    assert took_s < TIMEOUT_S  # it did not wait for the collector
    async with asyncio.timeout(2 * TIMEOUT_S):
        while not recording.dropped():
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("signals")
async def test_off_runs_dark(database_url: str):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        trace_id, _ = await _ask(database_url, url, telemetry="off")
    assert len(trace_id) == 32
    assert collector.spans == collector.lines == []


@pytest.mark.usefixtures("signals")
def test_without_an_exporter_no_span_is_made():
    recording.start(load("order", {}, otlp_endpoint=""), service=NAME)
    assert not recording.is_on()


# ---- log lines ----------------------------------------------------------------------------------


def _record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "msecs": 7})
    record.__dict__.update(extra)
    return record


@pytest.mark.parametrize("nasty", ["a\nb", "a\r\nb", "\x1b[31m", "\x00", "a\u2028b"])
def test_a_line_is_one_line_whatever_a_guest_has_typed(nasty: str):
    text = log_lines.TextFormatter("x").format(_record(nasty, order_id=nasty))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    document = json.loads(log_lines.JsonFormatter("x").format(_record(nasty, order_id=nasty)))
    assert (document["message"], document["order_id"]) == (nasty, nasty)
    assert document["service"] == "x"


def test_a_json_line_is_one_line_with_an_exception_in_it():
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError as error:
        record = _record("failed")
        record.exc_info = (type(error), error, error.__traceback__)
    line = log_lines.JsonFormatter("x").format(record)
    assert "\n" not in line
    assert "ZeroDivisionError: oh" in json.loads(line)["exception"]
