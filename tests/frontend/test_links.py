"""Ways out: only where an address is configured, and nobody's text breaks out of one."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from fleet.settings import load
from frontend.traces.view_models import LogFilter, TraceFilter
from frontend.web.links import Links
from tests.frontend.recorded import ORDER_TRACE
from tests.frontend.test_evidence_pages import NOWHERE
from tests.frontend.test_pages import dashboard, text
from tests.observatory.samples import HOSTILE

BOTH = {"grafana_link": "https://grafana.example/", "jaeger_link": "http://localhost:16686"}
PATHS = ("/", "/traces", f"/traces/{ORDER_TRACE}", "/logs")


def links(**given):
    return Links(load("dashboard", {}, **given))


def test_what_is_not_configured_has_no_way():
    none, jaeger, both = links(), links(jaeger_link="http://j"), links(**BOTH)
    assert none.overview() == none.traces(TraceFilter()) == none.trace(ORDER_TRACE) == ()
    assert none.logs(LogFilter()) == ()
    assert [way.label for way in jaeger.trace(ORDER_TRACE)] == ["Jaeger"]
    assert [way.label for way in both.trace(ORDER_TRACE)] == ["Jaeger", "Grafana"]


def test_each_way_leads_to_the_same_thing():
    both = links(**BOTH)
    assert both.overview()[0].url == "https://grafana.example/d/valerix-live-demo"
    assert both.trace(ORDER_TRACE)[0].url == f"http://localhost:16686/trace/{ORDER_TRACE}"
    assert both.traces(TraceFilter(service="payment-service"))[0].url.endswith("=payment-service")
    assert asked(both.trace(ORDER_TRACE)[1])["query"] == ORDER_TRACE
    lines = both.logs(LogFilter(service="order-service", trace=ORDER_TRACE))[0]
    assert asked(lines)["datasource"] == {"type": "loki", "uid": "loki"}
    assert f'trace_id = "{ORDER_TRACE}"' in asked(lines)["expr"]


def asked(way):
    parts = urlsplit(way.url)
    assert parts.path == "/explore"
    (pane,) = json.loads(parse_qs(parts.query)["panes"][0]).values()
    (query,) = pane["queries"]
    return query


def test_a_visitor_s_text_stays_text():
    both = links(**BOTH)
    way = both.logs(LogFilter(service=HOSTILE, text=HOSTILE))[0]
    assert "<script" not in way.url
    assert '"' not in way.url
    assert "<" in asked(way)["expr"]
    assert "<" not in both.traces(TraceFilter(service=HOSTILE))[0].url


@pytest.mark.parametrize("path", PATHS)
async def test_pages_show_ways_only_where_there_are(path):
    async with dashboard(NOWHERE, **BOTH) as (browser, _):
        page = await text(browser, path)
        assert 'rel="noopener noreferrer"' in page
        assert "example" in page or "localhost:16686" in page
    async with dashboard(NOWHERE) as (browser, _):
        assert "ways-out" not in await text(browser, path)
