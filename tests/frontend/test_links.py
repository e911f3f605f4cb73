"""External links: only where an address is configured, and a visitor's text stays text."""

import json
from urllib.parse import parse_qs, urlsplit

from fleet.settings import load
from frontend.web.links import Links
from observatory.store.logs import LogQuery
from tests.frontend.dashboards import dashboard, text
from tests.frontend.recorded_telemetry import ORDER_TRACE
from tests.frontend.test_traces_pages import NOWHERE
from tests.observatory.samples import HOSTILE

BOTH = {"grafana_link": "https://grafana.example/", "jaeger_link": "http://localhost:16686"}
PATHS = ("/", "/traces", f"/traces/{ORDER_TRACE}", "/logs")


def links(**given):
    return Links(load("dashboard", {}, **given))


def test_what_is_not_configured_has_no_link():
    none, jaeger, both = links(), links(jaeger_link="http://j"), links(**BOTH)
    assert none.overview() == none.traces("") == none.trace(ORDER_TRACE) == ()
    assert none.logs(LogQuery()) == ()
    assert [link.label for link in jaeger.trace(ORDER_TRACE)] == ["Jaeger"]
    assert [link.label for link in both.trace(ORDER_TRACE)] == ["Jaeger", "Grafana"]


def test_each_link_leads_to_the_same_thing():
    both = links(**BOTH)
    assert both.overview()[0].url == "https://grafana.example/d/valerix-stage"
    assert both.trace(ORDER_TRACE)[0].url == f"http://localhost:16686/trace/{ORDER_TRACE}"
    assert both.traces("payment-service")[0].url.endswith("=payment-service")
    assert asked(both.trace(ORDER_TRACE)[1])["query"] == ORDER_TRACE
    lines = both.logs(LogQuery(service="order-service", trace_id=ORDER_TRACE))[0]
    assert asked(lines)["datasource"] == {"type": "loki", "uid": "loki"}
    assert f'trace_id = "{ORDER_TRACE}"' in asked(lines)["expr"]


def asked(link):
    parts = urlsplit(link.url)
    assert parts.path == "/explore"
    (pane,) = json.loads(parse_qs(parts.query)["panes"][0]).values()
    (query,) = pane["queries"]
    return query


def test_a_visitor_s_text_stays_text():
    both = links(**BOTH)
    link = both.logs(LogQuery(service=HOSTILE, text=HOSTILE))[0]
    assert "<script" not in link.url
    assert '"' not in link.url
    assert "<" in asked(link)["expr"]
    assert "<" not in both.traces(HOSTILE)[0].url


async def test_pages_show_links_only_where_an_address_is_configured():
    async with dashboard(NOWHERE, **BOTH) as (browser, _):
        for path in PATHS:
            page = await text(browser, path)
            assert 'rel="noopener noreferrer"' in page, path
            assert "example" in page or "localhost:16686" in page, path
    async with dashboard(NOWHERE) as (browser, _):
        for path in PATHS:
            assert "ways-out" not in await text(browser, path), path
