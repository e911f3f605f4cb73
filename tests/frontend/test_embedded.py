"""The scraper against a page of real metrics: what it asks for, what it keeps."""

import asyncio
import time
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from chassis.http_metrics import HttpMetrics
from frontend.sources.embedded import Embedded
from frontend.views import Down

OLD, NEW = "a" * 32, "b" * 32


@asynccontextmanager
async def scraping():
    """A service with metrics, and the dashboard's scraper at it."""
    registry = CollectorRegistry()
    metrics = HttpMetrics("order-service", registry)
    metrics.observe("POST", "/orders", 201, 0.9, OLD)
    # An exemplar has the time of its request, to the millisecond.
    await asyncio.sleep(0.01)

    async def show(request):
        encode, content_type = choose_encoder(request.headers["Accept"])
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", show)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    source = Embedded({"order": f"http://127.0.0.1:{runner.addresses[0][1]}"}, lambda _: None)
    await source.start()
    try:
        yield source, metrics
    finally:
        await source.stop()
        await runner.cleanup()


async def until(condition):
    async with asyncio.timeout(10):
        while not (found := condition()):
            await asyncio.sleep(0.05)
    return found


async def test_exemplars_are_asked_for_and_older_ones_than_its_own_memory_left_out():
    async with scraping() as (source, metrics):
        await until(lambda: not isinstance(source.traffic("order"), Down))
        metrics.observe("POST", "/orders", 201, 0.03, NEW)
        (found,) = await until(lambda: source.exemplars("order", 0, time.time() + 1))
        assert (found.trace_id, found.seconds) == (NEW, 0.03)
        assert abs(found.at - time.time()) < 10


async def test_what_is_counted_between_two_scrapes_is_a_point():
    async with scraping() as (source, metrics):
        await asyncio.sleep(0.5)
        metrics.observe("POST", "/orders", 201, 0.03, NEW)
        metrics.observe("POST", "/orders", 503, 0.03, NEW)
        (point,) = await until(lambda: [p for p in source.points("order", [time.time()]) if p.rate])
        assert 0.5 < point.rate < 2
        assert point.errors == point.rate / 2
        assert 0.025 <= point.p50 <= 0.05
        assert source.failures("order", time.time() - 60, time.time()) == 1
