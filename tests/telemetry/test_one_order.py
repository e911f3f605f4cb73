"""One order through the real processes: one trace, what comes later linked to it, bites marked."""

import asyncio
import re
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fleet.ports import free_port
from tests.chassis.telemetry.collector import BAD_COLLECTORS, Collector
from tests.harness import wire
from tests.harness.running import RunningFleet

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]
PORT = free_port()
FLEET_KEYS = ("inventory", "payment", "order", "relay", "audit_consumer")
FLEET_ENVIRON = {
    "VALERIX_OTLP_ENDPOINT": f"http://127.0.0.1:{PORT}",
    "VALERIX_PAYMENT_DECLINE_RATE": "0",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
}
ALL = {"order-service", "inventory-service", "payment-service"}
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


class Sink:
    """A collector on the fleet's port that can be made to behave badly."""

    def __init__(self) -> None:
        self.kept = Collector()
        self._handler: wire.Handler = self.kept.handle
        self._open: set[asyncio.StreamWriter] = set()

    def behave(self, handler: wire.Handler) -> None:
        """From now on like this; whoever is connected has to come again."""
        self._handler = handler
        for writer in self._open:
            writer.transport.abort()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which the exporter keeps for many batches."""
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._handler(reader, writer)
        self._open.discard(writer)
        writer.transport.abort()

    def spans(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The spans that fit, each with its "service" and its attributes as plain "tags"."""
        return [
            {**span, "service": tags(resource["resource"])["service.name"], "tags": tags(span)}
            for batch in self.kept.traces
            for resource in batch["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
            if wanted(span)
        ]

    def lines(self, trace_id: str) -> list[dict[str, Any]]:
        """The lines of a trace, as plain "tags"."""
        found = [record for record in self.kept.lines if record["traceId"] == trace_id]
        return [{**tags(record), "message": record["body"]["stringValue"]} for record in found]


def tags(holder: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in holder["attributes"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    server = await asyncio.start_server(made.handle, "127.0.0.1", PORT)
    yield made
    server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shop(fleet: RunningFleet, sink: Sink) -> AsyncIterator[aiohttp.ClientSession]:
    """A customer; the shop is calm and the collector well before and afterwards."""
    sink.behave(sink.kept.handle)
    async with aiohttp.ClientSession(fleet.url("order")) as customer:
        yield customer
    for key in FLEET_KEYS:
        fleet.ask("DELETE", key, "/gremlins")
    sink.behave(sink.kept.handle)


async def place(shop: aiohttp.ClientSession) -> tuple[int, dict[str, Any], str]:
    order = {"product_id": "PROD-001", "quantity": 1}
    async with shop.post("/orders", json=order) as answer:
        return answer.status, await answer.json(), answer.headers["X-Trace-Id"]


async def let_loose(
    fleet: RunningFleet, service: str, name: str, kind: str, **more: object
) -> None:
    command = {"kind": kind, "ttl_s": 60, **more}
    async with (
        aiohttp.ClientSession(fleet.url(service)) as operator,
        operator.put(f"/gremlins/{name}", json=command) as answer,
    ):
        assert answer.status == 200


async def until(found: Callable[[], Any], within_s: float = 15.0) -> Any:
    """What `found` finds, as soon as it does; the services send once a second."""
    async with asyncio.timeout(within_s):
        while not (value := found()):
            await asyncio.sleep(0.05)
    return value


def of_trace(sink: Sink, trace_id: str) -> list[dict[str, Any]]:
    return sink.spans(lambda span: span["traceId"] == trace_id)


async def whole(sink: Sink, trace_id: str) -> list[dict[str, Any]]:
    """The trace, once all services and the first request's own span, the last to end, are in."""

    def found() -> list[dict[str, Any]]:
        spans = of_trace(sink, trace_id)
        known = {"", *(span["spanId"] for span in spans)}
        complete = known >= {span["parentSpanId"] for span in spans}
        return spans if complete and {span["service"] for span in spans} >= ALL else []

    return await until(found)


async def test_one_order_is_one_trace_across_all_three_services(shop, sink):
    status, order, trace_id = await place(shop)
    assert status == 201
    spans = await whole(sink, trace_id)
    by_id = {span["spanId"]: span for span in spans}
    (root,) = [span for span in spans if span["parentSpanId"] not in by_id]
    assert (root["name"], root["service"]) == ("POST /orders", "order-service")
    assert root["tags"]["valerix.order.id"] == order["order_id"]
    assert root["tags"]["valerix.outcome"] == "confirmed"
    for service in ("inventory-service", "payment-service"):
        served = next(s for s in spans if s["service"] == service and s["kind"] == SERVER)
        call = by_id[served["parentSpanId"]]
        assert (call["service"], call["kind"]) == ("order-service", CLIENT)
        assert call["parentSpanId"] == root["spanId"]
    await until(lambda: {line["service"] for line in sink.lines(trace_id)} >= ALL)
    assert order["order_id"] in {line.get("order_id") for line in sink.lines(trace_id)}


async def test_its_events_are_published_and_taken_in_its_trace(shop, sink):
    _, _, trace_id = await place(shop)

    def both() -> list[dict[str, Any]]:
        spans = [s for s in of_trace(sink, trace_id) if s["name"].endswith(" order.confirmed")]
        return spans if len(spans) >= 2 else []

    by_kind = {span["kind"]: span for span in await until(both, within_s=60)}
    sent, taken = by_kind[PRODUCER], by_kind[CONSUMER]
    assert (sent["service"], taken["service"]) == ("event-relay", "audit-consumer")
    assert sent["tags"]["messaging.message.id"] == taken["tags"]["messaging.message.id"]


async def test_what_is_done_for_an_order_later_is_linked_to_its_trace(shop, sink, fleet):
    await let_loose(fleet, "inventory", "refuse", "refuse")
    status, order, trace_id = await place(shop)
    assert status == 202
    fleet.ask("DELETE", "inventory", "/gremlins")

    def later() -> list[dict[str, Any]]:
        spans = sink.spans(lambda span: span["name"] == "reconcile order")
        mine = [span for span in spans if span["tags"]["valerix.order.id"] == order["order_id"]]
        return mine if any(s["tags"]["valerix.order.status"] == "CONFIRMED" for s in mine) else []

    spans = await until(later, within_s=40)
    for span in spans:
        assert trace_id in {link["traceId"] for link in span["links"]}
    done = next(s for s in spans if s["tags"]["valerix.order.status"] == "CONFIRMED")
    # The order keeps its first trace; each step of its history names the one that made it.
    async with shop.get(f"/orders/{order['order_id']}") as answer:
        assert (await answer.json())["trace_id"] == trace_id
    async with shop.get(f"/orders/{order['order_id']}/history") as answer:
        steps = (await answer.json())["transitions"]
    assert steps[0]["trace_id"] == trace_id
    (confirmed,) = {s["trace_id"] for s in steps if s["dst"] == "CONFIRMED"} & {done["traceId"]}
    assert confirmed != trace_id
    asked = {span["service"] for span in await whole(sink, done["traceId"])}
    assert asked >= ALL
    (root,) = [span for span in of_trace(sink, trace_id) if not span["parentSpanId"]]
    assert root["tags"]["valerix.order.id"] == order["order_id"]
    assert root["tags"]["valerix.outcome"] == "degraded"


def bites(fleet: RunningFleet) -> float:
    page = metrics(fleet, "inventory")
    found = re.search(r'^valerix_gremlin_bites_total\{[^}]*gremlin="sour"[^}]*\} (\S+)', page, re.M)
    return float(found[1]) if found else 0.0


def metrics(fleet: RunningFleet, key: str) -> str:
    with urllib.request.urlopen(f"{fleet.url(key)}/metrics", timeout=10) as page:  # noqa: S310
        return str(page.read().decode())


async def test_a_bite_is_marked_on_its_span_its_line_and_the_metric(shop, sink, fleet):
    await let_loose(fleet, "inventory", "sour", "error")
    before = bites(fleet)
    _, _, trace_id = await place(shop)
    bitten = await until(
        lambda: [s for s in of_trace(sink, trace_id) if "valerix.gremlin.name" in s["tags"]]
    )
    for span in bitten:
        assert (span["service"], span["kind"]) == ("inventory-service", SERVER)
        assert span["tags"]["valerix.gremlin.name"] == "sour"
        assert span["tags"]["valerix.gremlin.kind"] == "error"
        assert [event["name"] for event in span["events"]] == ["gremlin bite"]
    lines = await until(lambda: [each for each in sink.lines(trace_id) if "gremlin" in each])
    assert {line["gremlin"] for line in lines} == {"sour"}
    assert bites(fleet) > before


async def test_every_gremlin_that_bit_one_request_is_named_on_its_span(shop, sink, fleet):
    await let_loose(fleet, "inventory", "sour", "error")
    await let_loose(fleet, "inventory", "twice", "duplicate")
    _, _, trace_id = await place(shop)
    bitten = await until(
        lambda: [s for s in of_trace(sink, trace_id) if "valerix.gremlin.name" in s["tags"]]
    )
    for span in bitten:
        assert set(span["tags"]["valerix.gremlin.name"].split(",")) == {"sour", "twice"}
        assert set(span["tags"]["valerix.gremlin.kind"].split(",")) == {"error", "duplicate"}
        assert len(span["events"]) == 2


async def test_a_slow_database_is_named_on_the_request_that_waited_for_it(shop, sink, fleet):
    await let_loose(fleet, "inventory", "mud", "slow_database", delay_ms=20)
    _, _, trace_id = await place(shop)
    bitten = await until(
        lambda: [s for s in of_trace(sink, trace_id) if "valerix.gremlin.name" in s["tags"]]
    )
    assert {span["service"] for span in bitten} == {"inventory-service"}
    assert {span["kind"] for span in bitten} == {SERVER}
    assert {span["tags"]["valerix.gremlin.kind"] for span in bitten} == {"slow_database"}


@pytest.mark.parametrize("behaviour", ["refuses", "resets", "says nothing"])
async def test_a_bad_collector_costs_counted_drops_and_no_order(shop, sink, fleet, behaviour):
    def dropped() -> float:
        line = r"^valerix_telemetry_dropped\{[^}]*\} (\S+)"
        return float(re.search(line, metrics(fleet, "order"), re.M)[1])

    before = dropped()
    sink.behave(BAD_COLLECTORS[behaviour])
    took_s = []
    for _ in range(5):
        begun = time.monotonic()
        status, _, _ = await place(shop)
        took_s.append(time.monotonic() - begun)
        assert status == 201
    # The exporter waits seconds for its collector.
    assert sorted(took_s)[2] < 1.5
    await until(lambda: dropped() > before)
