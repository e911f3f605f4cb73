"""The scraper against a page of real metrics: what it asks for, what it keeps."""

import asyncio
import re
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from chassis.http.metrics import HttpMetrics
from observatory.sla import light_state
from observatory.sources import poller
from observatory.sources.down import Down
from observatory.sources.embedded_metrics import EmbeddedMetrics

OLD, NEW = "a" * 32, "b" * 32
# Written out once more, so that a change of the rule is noticed.
BESIDE = r"/health|/metrics|/schema|/gremlin"


@asynccontextmanager
async def scraping(*, is_watched=True):
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
    source = EmbeddedMetrics(
        {"order": f"http://127.0.0.1:{runner.addresses[0][1]}"},
        lambda _: None,
        is_watched=lambda: is_watched,
    )
    await source.start()
    try:
        yield source, metrics, registry
    finally:
        await source.stop()
        await runner.cleanup()


async def until(condition):
    async with asyncio.timeout(10):
        while not (found := condition()):
            await asyncio.sleep(0.05)
    return found


async def test_exemplars_are_asked_for_and_older_ones_than_its_own_memory_left_out():
    async with scraping() as (source, metrics, _):
        await until(lambda: not isinstance(source.traffic("order"), Down))
        metrics.observe("POST", "/orders", 201, 0.03, NEW)
        (found,) = await until(lambda: source.exemplars("order", 0, time.time() + 1))
        assert (found.trace_id, found.seconds) == (NEW, 0.03)
        assert abs(found.at - time.time()) < 10


async def test_traffic_that_begins_while_nobody_looks_is_read_when_its_trace_comes(monkeypatch):
    monkeypatch.setattr(poller, "_UNWATCHED_EVERY_S", 3600.0)
    async with scraping(is_watched=False) as (source, metrics, _):
        await until(lambda: not isinstance(source.traffic("order"), Down))
        metrics.observe("POST", "/orders", 201, 0.03, NEW)
        source.wake()
        await until(lambda: source.traffic("order").requests == 1)


async def test_what_is_counted_between_two_scrapes_is_a_point():
    async with scraping() as (source, metrics, _):
        await asyncio.sleep(0.5)
        metrics.observe("POST", "/orders", 201, 0.03, NEW)
        metrics.observe("POST", "/orders", 503, 0.03, NEW)
        (point,) = await until(lambda: [p for p in source.points("order", [time.time()]) if p.rate])
        assert 0.5 < point.rate < 2
        assert point.errors == point.rate / 2
        assert 0.025 <= point.p50 <= 0.05
        assert source.failures("order", time.time() - 60, time.time()) == 1


async def test_the_light_is_the_quotient_of_the_scraped_counters_over_business_routes():
    async with scraping() as (source, metrics, registry):
        await until(lambda: not isinstance(source.traffic("order"), Down))
        assert source.traffic("order").average_s is None
        before = counted(registry)
        for seconds in (0.2, 0.4, 3.3):
            metrics.observe("POST", "/orders", 202, seconds, NEW)
        metrics.observe("GET", "/orders/{order_id}", 500, 1.7, NEW)
        # Not the shop's work, and fast enough to make any light green.
        for path in ("/health", "/metrics", "/gremlins/{name}", "/schema"):
            for _ in range(50):
                metrics.observe("GET", path, 200, 0.001, NEW)
        after = counted(registry)
        traffic = await until(lambda: t if (t := source.traffic("order")).requests == 4 else None)
        seconds, requests = (now - then for now, then in zip(after, before, strict=True))
        assert (seconds, requests) == (pytest.approx(5.6), 4)
        assert traffic.average_s == pytest.approx(seconds / requests)
        assert light_state(traffic) == "slow"


def counted(registry):
    """sum and count of the duration histogram over business routes, as Prometheus would add them
    up from the page."""
    page = generate_latest(registry).decode()
    found = {"sum": 0.0, "count": 0.0}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            kind = sample.name.removeprefix("http_request_duration_seconds_")
            if kind in found and not re.match(BESIDE, sample.labels["path"]):
                found[kind] += sample.value
    return found["sum"], found["count"]
