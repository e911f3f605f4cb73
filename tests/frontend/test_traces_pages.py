"""From OTLP in to the pages of traces and logs, over HTTP, as the services and a browser do it."""

import re
from html.parser import HTMLParser

import pytest

from tests.frontend.dashboards import dashboard, text
from tests.observatory.samples import NOW_NS, json_logs, json_span, json_traces

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EVIL = "<img src=x onerror=alert(1)>\x1b[2J\x00\u202e"
PATHS = ["/traces", "/traces?kind=bitten", f"/traces/{TRACE}", f"/traces/{'ab' * 16}", "/logs"]


@pytest.fixture(scope="module")
def module_database():
    """Telemetry is kept without one."""
    return NOWHERE


class Elements(HTMLParser):
    """What a browser would make of a page: the names of its elements and of their attributes."""

    @classmethod
    def of(cls, page):
        made = cls()
        made.tags, made.attributes = set(), set()
        made.feed(page)
        return made

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


async def send(browser, *spans, service="order-service", lines=()):
    for path, body in (
        ("/v1/traces", json_traces(*spans, service=service)),
        ("/v1/logs", json_logs(*lines, service=service)),
    ):
        async with browser.post(path, json=body) as response:
            assert response.status == 200, await response.text()


def named(name, **more):
    attributes = {"http.route": name, "valerix.gremlin.name": EVIL, EVIL: EVIL}
    made = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    event = {"timeUnixNano": str(NOW_NS), "name": EVIL, "attributes": made}
    status = {"code": 2, "message": EVIL}
    return json_span(
        traceId=TRACE, name=name, attributes=made, events=[event], status=status, **more
    )


def written(message, **more):
    return {
        "timeUnixNano": str(NOW_NS),
        "severityNumber": 17,
        "body": {"stringValue": message},
        "traceId": TRACE,
        "attributes": [{"key": EVIL, "value": {"stringValue": EVIL}}],
        **more,
    }


@pytest.mark.parametrize("path", PATHS)
async def test_hostile_telemetry_is_shown_and_never_runs(browser, path):
    await send(browser, named(EVIL), service=EVIL, lines=[written(EVIL)])
    async with browser.get(path) as response:
        assert response.status == 200
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        page = await response.text()
    assert not {"img", "style"} & Elements.of(page).tags
    assert not {name for name in Elements.of(page).attributes if name[:2] == "on"}
    assert "style" not in Elements.of(page).attributes
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]", page)
    if "ab" * 16 not in path:
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


async def test_the_panel_in_the_page_is_the_panel_byte_for_byte(browser):
    await send(browser, named("GET /a"), lines=[written("hello")])
    for page, panel in (
        ("/logs", "/panels/logs"),
        ("/logs?level=error&text=hell", "/panels/logs?level=ERROR&text=hell"),
        (f"/traces/{'ab' * 16}", f"/panels/trace/{'ab' * 16}"),
    ):
        assert await text(browser, panel) in await text(browser, page)


async def test_the_filters_find_what_they_name():
    async with dashboard(NOWHERE) as (browser, _):
        await send(browser, named("GET /mine"), lines=[written("needle")])
        await send(
            browser,
            json_span(traceId="cd" * 16, name="GET /other"),
            service="payment-service",
            lines=[written("hay", traceId="cd" * 16, severityNumber=9)],
        )
        for query, mine in (
            ("service=order", True),
            ("service=order-service", True),
            ("service=payment-service", False),
            ("route=GET+/mine", True),
            ("outcome=none", True),
            ("outcome=5xx", False),
            ("kind=failed", True),
            ("kind=bitten", True),
            ("kind=slowest&service=payment", False),
            ("kind=%3Cscript%3E", False),
            ("attribute=http.route=GET%20/mine", False),
            ("attribute=http.route=%22GET+/mine%22", True),
            ("attribute=http.route=%22GET+/mine%22+status=503", False),
            ("name=mine", True),
            ("name=yours", False),
            ("min=4.9ms", True),
            ("min=1h", False),
            ("min=5.1ms", False),
            (f"trace={TRACE[:6].upper()}", True),
            ("trace=abcd", False),
            ("since=6h", True),
            ("until=6h", False),
            (f"since={NOW_NS // 10**9 - 60}&until={NOW_NS // 10**9 + 60}", True),
            (f"since={NOW_NS // 10**9 - 60}&until={NOW_NS // 10**9 - 30}", False),
            ("order=" + "x" * 5000, False),
        ):
            assert (f"/traces/{TRACE}" in await text(browser, f"/panels/traces?{query}")) is mine
        for query, mine in (
            ("text=NEEDLE", True),
            ("text=hay", False),
            ("level=error", True),
            ("level=nonsense", False),
            ("since=6h", True),
            ("until=6h", False),
            (f"around={NOW_NS}", True),
            (f"trace={TRACE}", True),
            (f"trace={'cd' * 16}", False),
            ("service=payment", False),
        ):
            assert ("needle" in await text(browser, f"/panels/logs?{query}")) is mine


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("traces?kind=best", "kind"),
        ("traces?outcome=6xx", "outcome"),
        ("traces?trace=xyz1", "trace"),
        ("traces?attribute=status", "attribute"),
        ("traces?min=long", "min"),
        ("traces?since=yesterday", "since"),
        ("traces?since=1h&until=2h", "since"),
        ("logs?level=loud", "level"),
        ("logs?around=now", "around"),
        ("logs?until=2026-13-01", "until"),
    ],
)
async def test_a_field_that_cannot_be_read_is_named_on_the_page_and_refused_by_the_api(
    browser, path, field
):
    assert f"This cannot be looked for: {field}" in await text(browser, f"/{path}")
    async with browser.get(f"/api/{path}") as response:
        assert response.status == 400
        document = await response.json()
    assert (document["code"], document["details"][0]["pointer"]) == ("validation", f"/{field}")


async def test_empty_fields_leave_the_address_and_a_written_time_is_everybody_s(browser):
    empty = "/traces?kind=&service=order-service&since=2026-11-29T10:00:00&until=&min="
    async with browser.get(empty, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == "/traces?service=order-service&since=1795946400"


async def test_a_trace_that_is_downloaded_can_be_sent_again_and_is_the_same():
    async with dashboard(NOWHERE) as (browser, _), dashboard(NOWHERE) as (second, _):
        child = json_span(traceId=TRACE, parentSpanId="1" * 16, spanId="2" * 16)
        await send(browser, named("GET /a", spanId="1" * 16, links=[{"traceId": "cd" * 16}]), child)
        async with browser.get(f"/api/traces/{TRACE}") as response:
            assert response.status == 200
            written = await response.json()
        async with second.post("/v1/traces", json=written) as response:
            assert await response.json() == {}
        async with second.get(f"/api/traces/{TRACE}") as response:
            assert await response.json() == written
        async with browser.get(f"/api/traces/{'ef' * 16}") as response:
            assert (response.status, (await response.json())["code"]) == (404, "trace-not-found")


async def test_a_filter_that_finds_nothing_stays_chosen(browser):
    page = await text(browser, "/traces?route=/gone")
    assert '<option value="/gone" selected>' in page


async def test_a_malformed_trace_id_is_explained(browser):
    for path in ("nothing", "0" * 32, "ab" * 17, "%3Cscript%3E"):
        async with browser.get(f"/traces/{path}") as response:
            assert response.status == 404
            page = await response.text()
        assert "32 digits" in page
        assert "<script>" not in page
    assert "Not here yet" in await text(browser, f"/traces/{'AB' * 16}")


async def test_every_light_leads_to_its_traces(browser):
    page = await text(browser, "/panels/lights")
    assert 'href="/traces?kind=slowest&amp;service=inventory&amp;since=' in page


async def test_telemetry_that_arrives_makes_no_telemetry(browser, caplog):
    with caplog.at_level("INFO", logger="request"):
        await send(browser, named("GET /a"), lines=[written("x")])
        await text(browser, "/traces")
    messages = [record.getMessage() for record in caplog.records if record.name == "request"]
    assert messages == ["GET /traces"]
    assert 'valerix_observatory_bytes{signal="traces"}' in await text(browser, "/metrics")
