"""The dashboard at a Prometheus, a Jaeger and a Loki: the same pages, whatever those do."""

import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest

from frontend.app import create_app
from tests.frontend.dashboards import text
from tests.frontend.samples import FixedProof
from tests.frontend.test_traces_pages import EVIL, NOWHERE, Elements
from tests.harness.serving import serve, settings_of
from tests.observatory.sources.fake_prometheus import FakePrometheus
from tests.observatory.sources.servers import BAD, serving
from tests.observatory.sources.test_stack_traces import ORDER, FakeJaeger, FakeLoki

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PATHS = ["/traces", "/traces?kind=bitten", f"/traces/{TRACE}", f"/traces/{'ab' * 16}", "/logs"]


@asynccontextmanager
async def dashboard(jaeger, loki, prometheus):
    """A dashboard that reads from these, and a browser at it."""
    async with serving(jaeger) as first, serving(loki) as second, serving(prometheus) as third:
        settings = settings_of(
            "dashboard", NOWHERE, jaeger_url=first, loki_url=second, prometheus_url=third
        )
        app = create_app(settings, proof=FixedProof())
        async with serve(app, settings) as url, aiohttp.ClientSession(url) as browser:
            yield browser


def stores():
    jaeger, loki, prometheus = FakeJaeger(), FakeLoki(), FakePrometheus("order-service")
    span = jaeger.add(TRACE, name=EVIL, **{"valerix.order.id": ORDER, "http.route": EVIL})
    loki.add(EVIL, trace_id=TRACE, span_id=span["spanId"], gremlin=EVIL)
    prometheus.count("order-service:1", 0.25)
    prometheus.scrape("order-service:1", time.time() - 2)
    prometheus.count("order-service:1", 0.25)
    prometheus.scrape("order-service:1", time.time())
    return jaeger, loki, prometheus


async def test_hostile_telemetry_is_shown_and_never_runs():
    jaeger, loki, prometheus = stores()
    async with dashboard(jaeger.answer, loki.answer, prometheus.answer) as browser:
        pages = {path: await text(browser, path) for path in PATHS}
    for path, page in pages.items():
        assert not {"img", "style"} & Elements.of(page).tags, path
        assert not {name for name in Elements.of(page).attributes if name[:2] == "on"}, path
        if "kind=bitten" not in path and "ab" * 16 not in path:
            assert "&lt;img src=x onerror=alert(1)&gt;" in page, path


async def test_the_panel_in_the_page_is_the_panel_byte_for_byte():
    jaeger, loki, prometheus = stores()
    async with dashboard(jaeger.answer, loki.answer, prometheus.answer) as browser:
        for page, panel in (
            ("/logs", "/panels/logs"),
            (f"/traces/{'ab' * 16}", f"/panels/trace/{'ab' * 16}"),
        ):
            assert await text(browser, panel) in await text(browser, page)


async def test_what_has_no_count_is_shown_without_one():
    jaeger, loki, prometheus = stores()
    async with dashboard(jaeger.answer, loki.answer, prometheus.answer) as browser:
        for path in ("/panels/traces", "/panels/logs", "/panels/traces?kind=failed"):
            page = await text(browser, path)
            assert "None" not in page
            assert "0 kept" not in page
        assert "None of the kept traces fits" in await text(browser, "/panels/traces?order=none")


async def test_the_light_is_from_prometheus():
    jaeger, loki, prometheus = stores()
    async with dashboard(jaeger.answer, loki.answer, prometheus.answer) as browser:
        async with asyncio.timeout(10):
            while "250" not in await text(browser, "/panels/lights"):
                await asyncio.sleep(0.05)


async def test_telemetry_is_kept_in_one_place_only():
    jaeger, loki, prometheus = stores()
    async with dashboard(jaeger.answer, loki.answer, prometheus.answer) as browser:
        for path in ("/v1/traces", "/v1/logs"):
            async with browser.post(path, json={}) as response:
                assert response.status == 404
        assert "valerix_observatory" not in await text(browser, "/metrics")


@pytest.mark.parametrize("bad", ["500", "html", pytest.param("hangs", marks=[pytest.mark.long])])
async def test_a_failing_store_is_shown_in_its_panel_and_the_page_goes_on(bad):
    answer, _ = BAD[bad]
    async with dashboard(answer, answer, answer) as browser:
        for path, name in (*((path, "Jaeger") for path in PATHS[:-1]), ("/logs", "Loki")):
            began = time.monotonic()
            page = await text(browser, path)
            assert time.monotonic() - began < 3
            assert 'class="down"' in page
            assert name in page
            assert "127.0.0.1" not in page
            # It asks again by itself.
            assert 'hx-get="/panels/' in page.partition('class="down"')[0]
        assert "No signal" in await text(browser, "/")
