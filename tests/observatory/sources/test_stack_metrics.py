"""Metrics from a Prometheus: the same numbers as from a page, and never old ones shown as new."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from observatory.sources.down import Down
from observatory.sources.poller import SourceError
from observatory.sources.stack.metrics import StackMetrics
from observatory.sources.stack.prometheus_response import exemplars, readings
from tests.observatory.sources.fake_prometheus import FakePrometheus
from tests.observatory.sources.servers import BAD, sends, serving

ORDER, STOCK = "order-service", "inventory-service"
ONE = f"{ORDER}:1"
NAMES = (ORDER, STOCK, "payment-service")


@asynccontextmanager
async def reading(answer):
    """The dashboard's source at a Prometheus."""
    async with serving(answer) as url:
        source = StackMetrics(url, lambda _: None)
        await source.start()
        try:
            yield source
        finally:
            await source.stop()


async def until(condition, within_s=8):
    async with asyncio.timeout(within_s):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


def ran(prometheus, seconds_ago, *, answers=1, seconds=0.5, status="201", instance=ONE):
    """So many requests were answered, and then scraped, so long ago."""
    for _ in range(answers):
        prometheus.count(instance, seconds, status=status)
    prometheus.scrape(instance, time.time() - seconds_ago)


async def test_light_and_charts_are_whole_at_once_after_a_start():
    prometheus = FakePrometheus(*NAMES)
    for ago in range(600, -2, -2):
        ran(prometheus, ago, answers=2, seconds=0.5)
    async with reading(prometheus.answer) as source:
        traffic = await until(lambda: traffic_of(source))
        assert traffic.average_s == pytest.approx(0.5)
        assert traffic.per_second == pytest.approx(1.0, rel=0.1)
        points = source.points("order", [time.time() - ago for ago in (590, 300, 60, 1)])
        assert [point.rate for point in points[1:]] == pytest.approx([1.0] * 3, rel=0.3)
        assert points[0].rate is not None
        assert points[1].p50 == pytest.approx(0.375)


def traffic_of(source, service="order"):
    traffic = source.traffic(service)
    return None if isinstance(traffic, Down) else traffic


async def test_what_several_instances_say_adds_up_and_a_restart_is_none_of_the_other_s_business():
    prometheus = FakePrometheus(ORDER)
    prometheus.instances["other:1"] = ORDER
    for instance, before in ((ONE, 1000), ("other:1", 10)):
        ran(prometheus, 9, answers=before, instance=instance)
    ran(prometheus, 7, answers=3, instance="other:1")
    prometheus.restart(ONE)
    ran(prometheus, 5, answers=2)
    ran(prometheus, 1, answers=0, instance="other:1")
    ran(prometheus, 0, answers=1, status="500")
    async with reading(prometheus.answer) as source:
        traffic = await until(lambda: traffic_of(source))
        assert traffic.requests == 6
        assert traffic.errors == 1
        assert source.failures("order", time.time() - 60, time.time()) == 1


async def test_a_service_without_traffic_is_there():
    prometheus = FakePrometheus(*NAMES)
    for name in NAMES:
        prometheus.scrape(f"{name}:1", time.time())
    async with reading(prometheus.answer) as source:
        traffic = await until(lambda: traffic_of(source, "payment"))
        assert traffic.average_s is None


async def test_a_service_that_prometheus_no_longer_reaches_is_down_alone():
    prometheus = FakePrometheus(*NAMES)
    ran(prometheus, 4.5, answers=5)
    prometheus.scrape(f"{STOCK}:1", time.time())
    async with reading(prometheus.answer) as source:
        await until(lambda: traffic_of(source))
        keep = asyncio.create_task(scraping(prometheus, f"{STOCK}:1"))
        down = await until(lambda: source.traffic("order") if not traffic_of(source) else None)
        keep.cancel()
        assert down.reason == "Prometheus has no fresh sample of it"
        assert down.since.timestamp() == pytest.approx(time.time() - 6.5, abs=3)
        assert traffic_of(source, "inventory")
        assert source.bites("order") == {}
        assert source.traffic("payment").reason == "Prometheus has no sample of it"


async def scraping(prometheus, instance):
    while True:
        prometheus.scrape(instance, time.time())
        await asyncio.sleep(0.5)


async def test_a_prometheus_that_fails_is_down():
    for bad in ("500", "html", "hangs up", "other types", "depths"):
        answer, message = BAD[bad]
        async with reading(answer) as source:
            down = await until(lambda source=source: polled(source))
            assert down.reason == "Prometheus " + message.replace("\\", "")
            assert source.stock() == down
            assert source.points("order", [time.time()])[0].rate is None


def polled(source):
    traffic = source.traffic("order")
    return None if traffic.reason == "Not read yet" else traffic


@pytest.mark.long
async def test_samples_missed_in_an_outage_are_read_afterwards():
    prometheus = FakePrometheus(ORDER)
    ran(prometheus, 2, answers=1)
    async with reading(prometheus.answer) as source:
        await until(lambda: traffic_of(source))
        prometheus.status = 503
        asked = len(prometheus.asked)
        await until(lambda: len(prometheus.asked) >= asked + 4)
        for ago in (3, 1):
            ran(prometheus, ago, answers=4)
        prometheus.status = 200
        traffic = await until(
            lambda: traffic if (traffic := traffic_of(source)) and traffic.requests else None
        )
        assert traffic.requests == 8


async def test_stock_bites_and_exemplars_are_read():
    prometheus = FakePrometheus(*NAMES)
    prometheus.add("valerix_stock_units", f"{STOCK}:1", 97, product="PROD-001", state="stock")
    prometheus.add("valerix_gremlin_bites_total", f"{STOCK}:1", 3, gremlin="slow", kind="latency")
    prometheus.scrape(f"{STOCK}:1", time.time() - 2)
    prometheus.add("valerix_gremlin_bites_total", f"{STOCK}:1", 2, gremlin="slow", kind="latency")
    prometheus.scrape(f"{STOCK}:1", time.time())
    prometheus.remember(time.time() - 300, 0.7, "ab" * 16, ORDER)
    prometheus.remember(time.time() - 1, 0.9, "cd" * 16, ORDER)
    async with reading(prometheus.answer) as source:
        await until(lambda: traffic_of(source, "inventory"))
        assert source.stock() == {"PROD-001": {"stock": 97}}
        assert source.bites("inventory") == {"slow": 2}
        old, _ = source.exemplars("order", 0, time.time() + 1)
        assert (old.trace_id, old.seconds) == ("ab" * 16, 0.7)
        assert old.seen == pytest.approx(time.time() - 300, abs=10)
        # The next polls find them again, but they are known.
        asked = len(prometheus.asked)
        await until(lambda: len(prometheus.asked) >= asked + 4)
        assert len(source.exemplars("order", 0, time.time() + 9)) == 2


async def test_without_exemplars_the_rest_is_there():
    prometheus = FakePrometheus(ORDER)
    ran(prometheus, 0)

    async def answer(request):
        if request.path.endswith("query_exemplars"):
            return await sends("not enabled", status=404)(request)
        return await prometheus.answer(request)

    async with reading(answer) as source:
        assert await until(lambda: traffic_of(source))


def test_numbers_that_are_none_are_left_out():
    body = """{"data": {"result": [
        {"metric": {"__name__": "x", "service": "order-service", "instance": "a"},
         "values": [[1, "NaN"], [2, "+Inf"], [3, "one"], [4, "4"]]},
        {"metric": {"__name__": "x", "service": "somebody", "instance": "b"}, "values": [[1, "1"]]}
    ]}}"""
    found = readings(body.encode())
    assert [reading.at for reading in found.pop("order")] == [4.0]
    assert not found


def test_exemplars_that_are_none_are_left_out():
    behind = {"seriesLabels": {"service": ORDER}, "exemplars": []}
    assert list(exemplars(b'{"data": null}', 0.0)) == []
    for labels, value in (({}, "1"), ({"trace_id": "ab"}, "one"), ({"trace_id": ""}, "1")):
        behind["exemplars"] = [{"labels": labels, "value": value, "timestamp": 1.0}]
        body = str({"data": [behind]}).replace("'", '"').encode()
        assert list(exemplars(body, 0.0)) == []
    with pytest.raises(SourceError, match="Prometheus sent a response that cannot be read"):
        list(exemplars(b'{"data": 3}', 0.0))
