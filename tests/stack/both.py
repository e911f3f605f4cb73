"""One real shop, watched at once by both of the dashboard's sources: its own memory, the stack."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from msgspec import Struct
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from fleet.programs import COLLECTOR, JAEGER, LOKI, PROMETHEUS
from frontend.web.sse import Hub
from observatory.sources.down import Down
from observatory.sources.embedded_metrics import EmbeddedMetrics
from observatory.sources.embedded_traces import EmbeddedTraces
from observatory.sources.protocols import MetricsSource, TelemetrySource
from observatory.sources.stack.metrics import StackMetrics
from observatory.sources.stack.traces_logs import StackTraces
from observatory.store.logs import LogQuery
from observatory.store.results import Waterfall
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.harness.running import RunningFleet
from tests.harness.serving import serve, settings_of
from tests.stack.prometheus_server import PrometheusServer
from tests.stack.stores import Stores
from topology import NAMES

T = TypeVar("T")
NEEDED = (COLLECTOR, JAEGER, LOKI, PROMETHEUS)
MISSING = [program.key for program in NEEDED if program.find() is None]
ORDER = {"product_id": "PROD-001", "quantity": 1}
# A batch leaves a service within a second and the collector within a fifth; then it is indexed.
ARRIVES_S = 20.0
GOOD, SLOW_MS = 6, 2500


class Watched(Struct):
    """One way to watch the shop."""

    source: MetricsSource
    evidence: TelemetrySource


class Done(Struct):
    """What was done to the shop, as a customer and an operator know it; traces by their ids."""

    began: float
    good: tuple[str, ...] = ()
    bitten: str = ""
    bitten_order: str = ""
    failed: str = ""


class Shop:
    """The services, what watches them, and what was done."""

    def __init__(self, fleet: RunningFleet, stores: Stores, watched: dict[str, Watched]) -> None:
        self.fleet, self.stores, self.watched = fleet, stores, watched
        self.done = Done(time.time())
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self._session.close()

    async def place(self) -> tuple[int, str, str]:
        """Status, trace and order of one order."""
        url = f"{self.fleet.url('order')}/orders"
        async with self._session.post(url, json=ORDER) as answer:
            body = await answer.json(content_type=None)
            return answer.status, answer.headers["X-Trace-Id"], body.get("order_id", "")

    async def gremlin(self, service: str, kind: str, **more: Any) -> None:
        url = f"{self.fleet.url(service)}/gremlins/{kind}-here"
        async with self._session.put(url, json={"kind": kind, **more}) as answer:
            assert answer.status == 200, await answer.text()
        # Every process agrees within a second.
        await asyncio.sleep(1.1)

    async def calm(self, service: str) -> None:
        async with self._session.delete(f"{self.fleet.url(service)}/gremlins") as answer:
            assert answer.status == 200
        await asyncio.sleep(1.1)

    async def live(self) -> None:
        """Good orders, one that a slow inventory makes pending, one that meets a failing payment;
        both are settled in the end."""
        good = [await self.place() for _ in range(GOOD)]
        assert {status for status, _, _ in good} == {201}
        self.done.good = tuple(trace for _, trace, _ in good)
        await self.gremlin("inventory", "latency", delay_ms=SLOW_MS, routes=["/inventory/reserve"])
        status, self.done.bitten, self.done.bitten_order = await self.place()
        assert status == 202
        await self.calm("inventory")
        await self.gremlin("payment", "error", status=503)
        status, self.done.failed, order = await self.place()
        assert status == 202
        await self.calm("payment")
        for order_id in (self.done.bitten_order, order):
            await until(lambda order_id=order_id: self.is_settled(order_id), within_s=30)

    async def is_settled(self, order_id: str) -> bool:
        async with self._session.get(f"{self.fleet.url('order')}/orders/{order_id}") as answer:
            return (await answer.json(content_type=None))["status"] in ("CONFIRMED", "FAILED")


async def until(ask: Callable[[], Awaitable[T]], within_s: float = ARRIVES_S) -> T:
    """What `ask` answers once that is something."""
    end = time.monotonic() + within_s
    while not (found := await ask()):
        assert time.monotonic() < end, f"not within {within_s} s: {found!r}"
        await asyncio.sleep(0.2)
    return found


async def lights_agree(shop: "Shop") -> bool:
    """Whether both know the same orders: each takes its window at its own samples, up to two
    seconds apart at either end."""
    stack, embedded = (shop.watched[name].source.traffic("order") for name in ("stack", "embedded"))
    assert not isinstance(stack, Down)
    assert not isinstance(embedded, Down)
    return (
        abs(stack.requests - embedded.requests) <= 3
        and abs(stack.average_s - embedded.average_s) <= 0.5 * embedded.average_s
    )


async def found(watched: Watched, **wanted: Any) -> list[str]:
    """Ids of the traces in a list."""
    result = await watched.evidence.find(TraceQuery(**wanted))
    assert not isinstance(result, Down), result
    return [row.trace_id for row in result.rows]


async def whole(watched: Watched, trace_id: str, spans: int = 2) -> Waterfall | None:
    """A trace, once it has so many spans."""
    result = await watched.evidence.trace(trace_id)
    assert not isinstance(result, Down), result
    assert result.unread is None
    waterfall = result.waterfall
    return waterfall if waterfall and len(waterfall.spans) >= spans else None


async def messages(watched: Watched, **wanted: Any) -> list[str]:
    """Messages of a tail."""
    tail = await watched.evidence.tail(LogQuery(**wanted))
    assert not isinstance(tail, Down), tail
    return [line.message for line in tail.lines]


async def is_down(watched: Watched) -> Down | None:
    """Why there is no number of the payment service."""
    traffic = watched.source.traffic("payment")
    return traffic if isinstance(traffic, Down) else None


@asynccontextmanager
async def watching(database_url: str, home: Path):
    """The real services, sending to the real collector, which passes it on to both."""
    memory = TelemetryStore()
    received = EmbeddedTraces(memory, Hub().nudge)
    settings = settings_of("dashboard", "postgresql://nobody@127.0.0.1:1/nothing")
    app = service_app(
        name="dashboard",
        title="Telemetry",
        settings=settings,
        registry=CollectorRegistry(),
        routes=received.routes(),
        closes=[received.close],
    )
    async with serve(app, settings) as own_url:
        stores = Stores(home / "stores", also=own_url)
        fleet = RunningFleet(
            home=home / "fleet",
            database_url=database_url,
            keys=tuple(NAMES),
            environ={
                "VALERIX_OTLP_ENDPOINT": stores.otlp,
                "VALERIX_PAYMENT_DECLINE_RATE": "0",
            },
        )
        (home / "prometheus").mkdir()
        prometheus = PrometheusServer(home / "prometheus", fleet.urls)
        try:
            await asyncio.to_thread(stores.start)
            await asyncio.to_thread(prometheus.start)
            await asyncio.to_thread(fleet.start_all)
            async with looked_at(fleet, stores, prometheus, received) as shop:
                yield shop
        finally:
            await asyncio.to_thread(fleet.stop_all)
            await asyncio.to_thread(prometheus.stop)
            await asyncio.to_thread(stores.stop)


@asynccontextmanager
async def looked_at(fleet, stores, prometheus, received):
    """Both sources begin to watch before anything happens."""
    urls = {key: fleet.url(key) for key in NAMES}
    stack = StackTraces(stores.jaeger, stores.loki, Hub().nudge)
    watched = {
        "embedded": Watched(EmbeddedMetrics(urls, lambda _: None), received),
        "stack": Watched(StackMetrics(prometheus.url, lambda _: None), stack),
    }
    shop = Shop(fleet, stores, watched)
    try:
        for each in watched.values():
            await each.source.start()
        await asyncio.sleep(5)
        await shop.live()
        yield shop
    finally:
        await shop.close()
        for each in watched.values():
            await each.source.stop()
        await stack.close()
