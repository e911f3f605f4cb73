"""Watching leaves no trace: probes, arriving telemetry, and whoever asks not to be recorded."""

import asyncio
from typing import Any

import pytest

from chassis.telemetry import recording
from fleet.settings import load
from tests.chassis.bare import NAME, run_bare
from tests.chassis.telemetry.collector import Collector
from tests.harness import wire
from tests.harness.serving import settings_of

pytestmark = pytest.mark.usefixtures("signals")
ASKED = "00-" + "ab" * 16 + "-" + "cd" * 8


async def sent(database_url: str, *requests: tuple[str, str, dict[str, str]]) -> Collector:
    """What a collector got after these requests (method, path, headers)."""
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        recording.start(load("order", {}, otlp_endpoint=url), service=NAME)
        async with run_bare(settings_of("order", database_url)) as bare:
            for method, path, headers in requests:
                await bare.door.request(method, path, headers=headers)
        await asyncio.to_thread(recording.stop)
    return collector


def names(collector: Collector) -> set[Any]:
    return {span["name"] for span in collector.spans}


async def test_calls_made_by_a_probe_are_not_traced_either(database_url: str):
    collector = await sent(
        database_url, *(("GET", path, {}) for path in ("/health", "/health/ready", "/now"))
    )
    assert {span["traceId"] for span in collector.spans} == {
        span["traceId"] for span in collector.spans if span["name"] == "GET /now"
    }
    assert "SELECT 1" not in names(collector)


async def test_telemetry_that_arrives_makes_none(database_url: str):
    arriving = [("POST", path, {}) for path in ("/v1/traces", "/v1/logs")]
    collector = await sent(database_url, *arriving, ("GET", "/now", {}))
    assert names(collector) == {"GET /now", "SELECT now"}


async def test_a_caller_decides_whether_its_trace_is_recorded(database_url: str):
    kept = await sent(database_url, ("GET", "/now", {"traceparent": f"{ASKED}-01"}))
    assert {span["traceId"] for span in kept.spans} == {"ab" * 16}
    assert "SELECT now" in names(kept)
    dropped = await sent(database_url, ("GET", "/now", {"traceparent": f"{ASKED}-00"}))
    assert dropped.spans == []


async def test_a_line_without_a_trace_is_sent_only_if_something_is_wrong(database_url: str):
    kept = await sent(database_url, ("GET", "/now", {"traceparent": f"{ASKED}-01"}))
    assert "GET /now" in messages(kept)
    asked = {"traceparent": f"{ASKED}-00"}
    dropped = await sent(database_url, ("GET", "/now", asked), ("GET", "/bug", asked))
    assert "GET /now" not in messages(dropped)
    assert any(line["severityText"] == "ERROR" for line in dropped.lines)


def messages(collector: Collector) -> set[str]:
    return {line["body"]["stringValue"] for line in collector.lines}
