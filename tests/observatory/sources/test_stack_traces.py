"""Traces and lines from a Jaeger and a Loki: the same results as from our own store."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from frontend.traces.waterfall import waterfall
from frontend.web.sse import Hub
from observatory.otlp.request import JSON, read
from observatory.sources.down import Down
from observatory.sources.stack.traces_logs import StackTraces
from observatory.store.logs import LogQuery
from observatory.store.model import moment
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.samples import MS, NOW_NS, json_span, json_traces
from tests.observatory.sources.servers import BAD, sends, serving

SENDER = {"service.instance.id": "i-1", "host.name": "counter", "process.pid": "7"}
ORDER = "75fd3bcd-6421-4ae4-9636-73f8a98ff710"


class FakeJaeger:
    """Answers with the traces that a test gave it; a new one searches by attribute."""

    def __init__(self, *, new: bool = True) -> None:
        self.new = new
        self.traces: dict[str, list[dict]] = {}
        self.asked: list[str] = []

    def add(self, trace_id: str, *, name: str = "POST /orders", ms: int = 10, **attributes: str):
        made = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
        number = len(self.traces)
        spans = self.traces.setdefault(trace_id, [])
        times = {
            "startTimeUnixNano": str(NOW_NS + number * MS),
            "endTimeUnixNano": str(NOW_NS + (number + ms) * MS),
        }
        spans.append(json_span(traceId=trace_id, name=name, attributes=made, **times))
        return spans[-1]

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/api/v3/services":
            return await sends('{"services": ["order-service"]}')(request)
        if request.path != "/api/v3/traces":
            found = [request.path.rpartition("/")[2]]
        else:
            found = [each for each in reversed(self.traces) if self._fits(each, request.query)]
            found = found[: int(request.query["query.searchDepth"])]
        spans = [span for each in found for span in self.traces.get(each, [])]
        if not spans:
            return await sends('{"error": {"httpCode": 404}}', status=404)(request)
        body = {"result": json_traces(*spans, service="order-service", **SENDER)}
        return await sends(msgspec.json.encode(body))(request)

    def _fits(self, trace_id: str, query) -> bool:
        wanted = json.loads(query.get("query.attributes", "{}")) if self.new else {}
        least_ms = float(query.get("query.durationMin", "0ms").removesuffix("ms"))
        return any(
            all(
                {"key": key, "value": {"stringValue": value}} in span["attributes"]
                for key, value in wanted.items()
            )
            and int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) >= least_ms * MS
            for span in self.traces[trace_id]
        )


class FakeLoki:
    """Answers with all lines it has."""

    def __init__(self) -> None:
        self.lines: list[list] = []
        self.asked: list[str] = []

    def add(self, message: str, **metadata: str) -> None:
        at = str(NOW_NS + len(self.lines) * MS)
        self.lines.append([at, message, {"structuredMetadata": metadata}])

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.query.get("query", request.path))
        if "values" in request.path:
            return await sends('{"data": ["order-service"]}')(request)
        newest = self.lines[-int(request.query["limit"]) :]
        streams = [{"stream": {"service_name": "order-service"}, "values": newest}]
        return await sends(msgspec.json.encode({"data": {"result": streams}}))(request)


@asynccontextmanager
async def reading(jaeger, loki):
    """The dashboard's evidence at a Jaeger and a Loki."""
    async with serving(jaeger) as first, serving(loki) as second:
        evidence = StackTraces(first, second, lambda _: None)
        try:
            yield evidence
        finally:
            await evidence.close()


def ids(found):
    return [row.trace_id for row in found.rows]


async def test_two_hundred_spectators_make_one_query():
    jaeger, loki = FakeJaeger(), FakeLoki()
    jaeger.add("0a" * 16)
    async with reading(jaeger.answer, loki.answer) as evidence:
        await asyncio.gather(*(evidence.find(TraceQuery()) for _ in range(200)))
        await asyncio.gather(*(evidence.tail(LogQuery()) for _ in range(200)))
        await asyncio.gather(*(evidence.trace("0a" * 16) for _ in range(200)))
    assert jaeger.asked == ["/api/v3/traces", f"/api/v3/traces/{'0a' * 16}"]
    assert len(loki.asked) == 2


async def test_without_a_spectator_no_query_is_made():
    jaeger, loki = FakeJaeger(), FakeLoki()
    async with reading(jaeger.answer, loki.answer) as evidence:
        running = asyncio.create_task(evidence.run())
        await asyncio.sleep(0.2)
        running.cancel()
    assert jaeger.asked == loki.asked == []


async def test_a_listener_is_nudged():
    hub = Hub()
    evidence = StackTraces("http://127.0.0.1:9", "http://127.0.0.1:9", hub.nudge)
    listener = hub.listen()
    running = asyncio.create_task(evidence.run())
    assert await listener.wait(3) == ["logs", "traces"]
    running.cancel()
    hub.leave(listener)


async def test_lists_have_the_traces_and_the_order_of_their_query():
    jaeger = FakeJaeger()
    jaeger.add("0a" * 16, ms=3000)
    jaeger.add("0b" * 16, **{"valerix.order.id": ORDER})
    jaeger.add("0c" * 16, **{"valerix.gremlin.name": "slow", "valerix.gremlin.bit": "true"})
    for number in range(60):
        jaeger.add(f"{number:02d}" + "0d" * 15)
    async with reading(jaeger.answer, FakeLoki().answer) as evidence:
        newest = await evidence.find(TraceQuery(limit=50))
        assert ids(newest)[0] == "59" + "0d" * 15
        assert len(newest.rows) == 50
        for wanted, only in (
            ({"kind": "bitten"}, "0c"),
            ({"gremlin": "slow"}, "0c"),
            ({"order_id": ORDER.upper()}, "0b"),
        ):
            found = await evidence.find(TraceQuery(**wanted))
            assert ids(found) == [only * 16]
            assert not found.note
        assert ids(await evidence.find(TraceQuery(kind="slowest", limit=1))) == ["0a" * 16]
        assert not (await evidence.find(TraceQuery(order_id="none"))).rows


async def test_what_a_sender_says_of_itself_is_on_its_spans_from_either_store():
    jaeger, store = FakeJaeger(), TelemetryStore()
    jaeger.add("0a" * 16)
    async with reading(jaeger.answer, FakeLoki().answer) as evidence:
        stored = await evidence.trace("0a" * 16)
    body = msgspec.json.encode(json_traces(json_span(traceId="0a" * 16), **SENDER))
    for span, packed in read("traces", body, JSON, now_ns=NOW_NS).spans:
        store.keep_span(span, packed)
    assert not isinstance(stored, Down)
    for found in (stored.waterfall, store.trace("0a" * 16)):
        assert found is not None
        (row,) = waterfall(found, moment(NOW_NS)).spans
        assert {key: value for key, value in row.resource if key != "service.name"} == SENDER


async def test_a_jaeger_that_does_not_search_by_attribute_is_noticed():
    jaeger = FakeJaeger(new=False)
    jaeger.add("0a" * 16, **{"valerix.order.id": ORDER})
    jaeger.add("0b" * 16)
    for number in range(60):
        jaeger.add(f"{number:02d}" + "0d" * 15)
    async with reading(jaeger.answer, FakeLoki().answer) as evidence:
        found = await evidence.find(TraceQuery(order_id=ORDER, limit=50))
    assert ids(found) == ["0a" * 16]
    assert "the newest 200" in found.note
    assert "2.19" in found.note


async def test_a_trace_has_its_lines_and_its_related_traces():
    jaeger, loki = FakeJaeger(), FakeLoki()
    span = jaeger.add("0a" * 16, **{"valerix.order.id": ORDER})
    jaeger.add("0b" * 16, name="reconcile order", **{"valerix.order.id": ORDER})
    loki.add("placed", trace_id="0a" * 16, span_id=span["spanId"], order_id=ORDER)
    async with reading(jaeger.answer, loki.answer) as evidence:
        whole = await evidence.trace("0a" * 16)
        tail = await evidence.tail(LogQuery(trace_id="0a" * 16))
    assert [row.message for row in whole.waterfall.lines] == ["placed"]
    assert [row.name for row in whole.waterfall.related] == ["reconcile order"]
    # The line is found again by its number: the page of logs jumps to it.
    assert whole.waterfall.lines[0].sequence == tail.lines[0].sequence


async def test_lines_of_one_moment_have_different_numbers():
    loki = FakeLoki()
    for _ in range(3):
        loki.lines.append([str(NOW_NS), "same", {}])
    async with reading(FakeJaeger().answer, loki.answer) as evidence:
        tail = await evidence.tail(LogQuery())
    assert len({row.sequence for row in tail.lines}) == 3


@pytest.mark.parametrize(
    "bad", ["500", "html", "cut", pytest.param("hangs", marks=[pytest.mark.long])]
)
async def test_jaeger_and_loki_fail_independently(bad):
    answer, _ = BAD[bad]
    jaeger, loki = FakeJaeger(), FakeLoki()
    jaeger.add("0a" * 16)
    loki.add("placed")
    async with reading(answer, loki.answer) as evidence:
        began = time.monotonic()
        for result in (await evidence.find(TraceQuery()), await evidence.trace("0a" * 16)):
            assert isinstance(result, Down)
            assert result.reason.startswith("Jaeger ")
        assert not isinstance(await evidence.tail(LogQuery()), Down)
        choices = await evidence.choices()
        assert choices.routes == choices.gremlins == ()
        assert time.monotonic() - began < 6
    async with reading(jaeger.answer, answer) as evidence:
        whole = await evidence.trace("0a" * 16)
        assert whole.waterfall is not None
        assert whole.unread.reason.startswith("Loki ")
        assert isinstance(await evidence.tail(LogQuery()), Down)
        assert await evidence.writers() == ()


async def test_choices_are_the_values_that_exist():
    jaeger = FakeJaeger()
    jaeger.add("0a" * 16, **{"valerix.gremlin.name": "slow", "http.route": "/orders"})
    async with reading(jaeger.answer, FakeLoki().answer) as evidence:
        choices = await evidence.choices()
        assert choices.services == (("order-service", 1),)
        assert choices.routes == (("/orders", 1),)
        assert choices.gremlins == (("slow", 1),)
        assert await evidence.writers() == (("order-service", 0),)


async def test_a_busy_shop_without_new_traces_is_an_outage_and_a_quiet_one_is_not():
    jaeger = FakeJaeger()
    jaeger.add("0a" * 16)
    now_ns = time.time_ns()
    jaeger.traces["0a" * 16][0] |= {"startTimeUnixNano": str(now_ns)}
    async with reading(jaeger.answer, FakeLoki().answer) as evidence:
        assert evidence.outage(lambda: True) is None
        await evidence.find(TraceQuery(limit=50))
        assert evidence.outage(lambda: True) is None
        long_ago = {"startTimeUnixNano": str(now_ns - 90_000 * MS), "endTimeUnixNano": str(now_ns)}
        jaeger.traces["0a" * 16][0] |= long_ago
        await evidence.find(TraceQuery(limit=49))
        assert evidence.outage(lambda: False) is None
        assert evidence.outage(lambda: True).reason == "No new trace reaches Jaeger"
