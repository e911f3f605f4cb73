"""What a service sends arrives whole in the dashboard: ids, parents, links, attributes, lines."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from chassis.telemetry.batch_queue import BatchQueue, stop_all
from chassis.telemetry.context import CLIENT, SERVER, Span, new_span_id, new_trace_id
from chassis.telemetry.log_lines import LogLine
from chassis.telemetry.senders import make_senders
from fleet.settings import load
from observatory import limits
from observatory.otlp.receiver import Receiver
from observatory.store.logs import LogQuery
from observatory.store.model import KINDS
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.harness.serving import knock, serve, settings_of
from tests.harness.wire import exchange
from tests.observatory.samples import MS, NOW_NS, json_span, json_traces

ORDER = "0b0e6f5e-1111-4222-8333-944455556666"


@pytest.fixture
async def place() -> AsyncIterator[tuple[str, TelemetryStore]]:
    """Where to send to, and what arrived there."""
    memory = TelemetryStore()
    settings = settings_of("dashboard", "postgresql://nobody@127.0.0.1:1/nothing")
    receiver = Receiver(memory)
    app = service_app(
        name="dashboard",
        title="Telemetry",
        settings=settings,
        registry=CollectorRegistry(),
        routes=receiver.routes(),
        closes=[receiver.close],
    )
    async with serve(app, settings) as url:
        yield url, memory


async def export(
    address: dict[str, str], service: str, *sent: Span | LogLine
) -> list[BatchQueue[Any]]:
    """Send with the real thing and wait until it is done."""
    spans, lines = make_senders(load("order", address), service)
    queues = [BatchQueue("spans", spans), BatchQueue("log lines", lines)]
    for queue in queues:
        queue.start()
    for item in sent:
        queues[isinstance(item, LogLine)].add(item)
    await asyncio.to_thread(stop_all, queues)
    return queues


def work(name: str, parent: Span | None, kind: int, ms: tuple[int, int]) -> Span:
    return Span(
        trace_id=parent.trace_id if parent else new_trace_id(),
        span_id=new_span_id(),
        parent_id=parent.span_id if parent else "",
        name=name,
        kind=kind,
        start_ns=NOW_NS + ms[0] * MS,
        end_ns=NOW_NS + ms[1] * MS,
    )


async def send_an_order(address: dict[str, str]) -> tuple[Span, Span, Span]:
    """A bitten order as both services record it: the request, its call, what finished it later."""
    served = work("POST /orders", None, SERVER, (0, 2_010))
    served.attributes = {"http.route": "/orders", "http.response.status_code": 202}
    call = work("POST /inventory/reserve", served, CLIENT, (5, 2_005))
    call.attributes, call.error = {"valerix.order.id": ORDER}, "timeout"
    bitten = work("POST /inventory/reserve", call, SERVER, (6, 3_006))
    bitten.attributes = {"valerix.gremlin.name": "sleepy", "valerix.attempt": 1, "late": True}
    bitten.events = [(NOW_NS + 6 * MS, "gremlin bite", {"name": "sleepy"})]
    later = work("reconcile order", None, 1, (4_000, 4_100))
    later.links = [(served.trace_id, served.span_id)]
    fields = {
        "timestamp": "x",
        "level": "WARNING",
        "service": "order-service",
        "message": "inventory took too long",
        "trace_id": served.trace_id,
        "span_id": call.span_id,
        "order_id": ORDER,
    }
    line = LogLine(fields, NOW_NS / 1e9)
    queues = await export(address, "order-service", served, call, later, line)
    queues += await export(address, "inventory-service", bitten)
    assert [queue.dropped for queue in queues] == [0, 0, 0, 0]
    return served, call, later


@pytest.mark.parametrize("variable", ["VALERIX_OTLP_RECEIVER", "VALERIX_OTLP_ENDPOINT"])
async def test_one_order_of_two_services_is_one_trace_with_its_lines(
    place: tuple[str, TelemetryStore], variable: str
):
    url, memory = place
    served, call, later = await send_an_order({variable: url})
    view = memory.trace(served.trace_id)
    assert [(p.span.service, p.span.name, p.depth) for p in view.spans] == [
        ("order-service", "POST /orders", 0),
        ("order-service", "POST /inventory/reserve", 1),
        ("inventory-service", "POST /inventory/reserve", 2),
    ]
    assert [placed.span.parent_id for placed in view.spans] == ["", served.span_id, call.span_id]
    assert [(KINDS[p.span.kind], p.span.failed, p.span.error) for p in view.spans] == [
        ("server", False, ""),
        ("client", True, "timeout"),
        ("server", False, ""),
    ]
    assert all(placed.critical for placed in view.spans)
    assert view.spans[2].span.attributes == (
        ("valerix.gremlin.name", "sleepy"),
        ("valerix.attempt", "1"),
        ("late", "true"),
    )
    assert view.spans[2].span.events[0].name == "gremlin bite"
    assert ("inventory took too long", call.span_id) in [
        (line.message, line.span_id) for line in view.lines
    ]
    assert [row.trace_id for row in view.related] == [later.trace_id]
    for query in (
        TraceQuery(kind="bitten", gremlin="sleepy"),
        TraceQuery(kind="failed", route="/orders", outcome="2xx"),
        TraceQuery(kind="slowest", order_id=ORDER),
    ):
        assert memory.find(query)[0].trace_id == served.trace_id
    assert (
        memory.tail(LogQuery(text="too long", level="WARNING")).lines[0].service == "order-service"
    )


async def test_a_full_queue_arrives_in_several_batches(place: tuple[str, TelemetryStore]):
    url, memory = place
    many = [work("x", None, 1, (0, 1)) for _ in range(2_000)]
    spans, _ = await export({"VALERIX_OTLP_RECEIVER": url}, "order-service", *many)
    assert (len(memory.traces), spans.dropped) == (2_000, 0)


async def test_more_senders_than_places_are_asked_to_come_back(place: tuple[str, TelemetryStore]):
    url, memory = place
    waiting = threading.Event()

    async def slowly():
        yield b"{"
        while not waiting.is_set():
            await asyncio.sleep(0.01)
        yield b"}"

    headers = {"Content-Type": "application/json"}
    async with knock(url) as client:
        slow = [
            asyncio.create_task(client.post("/v1/traces", content=slowly(), headers=headers))
            for _ in range(limits.REQUESTS_AT_ONCE)
        ]
        for _ in range(100):
            await asyncio.sleep(0.02)
            refused = await client.post("/v1/traces", json=json_traces(json_span()))
            if refused.status_code != 200:
                break
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["code"] == 14
        waiting.set()
        assert {answer.status_code for answer in await asyncio.gather(*slow)} == {200}
        again = await client.post("/v1/traces", json=json_traces(json_span()))
        assert again.status_code == 200
    assert memory.losses.refused_requests == 1


async def test_a_sender_that_dawdles_is_sent_away(
    place: tuple[str, TelemetryStore], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "BODY_S", 0.2)

    request = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = await exchange(place[0], request + b"Content-Length: 100\r\n\r\n{")
    assert (answer.status_code, answer.json()["code"]) == (408, 4)
