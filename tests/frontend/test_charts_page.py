"""Heatmap, error rate and received metrics: on the page and as JSON, from what was counted."""

import pytest

from frontend.charts import presenter
from frontend.traces.comparison import compare
from observatory.metrics.history import BOUNDS, BUCKET, History
from observatory.metrics.prometheus_text import Series
from observatory.store.store import TelemetryStore
from tests.frontend.dashboards import dashboard, text
from tests.observatory.samples import keep, span, trace_id

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def counted(quick: float, slow: float, failed: float) -> dict[Series, float]:
    """A scrape: so many requests up to 50 ms and up to 5 s, and so many that failed."""

    def bucket(bound: float) -> Series:
        return Series(BUCKET, (("path", "/orders"), ("le", "+Inf" if bound > 1e9 else str(bound))))

    def total(status: int) -> Series:
        return Series("http_requests_total", (("path", "/orders"), ("status_code", str(status))))

    buckets = {bucket(bound): quick * (bound >= 0.05) + slow * (bound >= 5.0) for bound in BOUNDS}
    return {**buckets, total(200): quick + slow - failed, total(500): failed}


def test_each_stretch_of_time_shows_its_own_requests():
    history = History()
    for at, numbers in enumerate([(0, 0, 0), (10, 0, 0), (10, 4, 2), (10, 4, 2)]):
        history.add(float(at), counted(*numbers))
    slices = [history.interval(at, at + 1.0) for at in range(3)]
    view = presenter.charts({"order": slices}, [0.0, 1.0, 2.0, 3.0], None)
    (service,) = view.services
    assert (service.requests, service.errors) == (14, 2)
    assert [(c.column, view.rows[c.row]) for c in service.cells] == [
        (0, "50.0\u202fms"),
        (1, "5.00\u202fs"),
    ]
    assert [(bar.column, bar.label) for bar in service.bars] == [(1, "50\u202f% failed")]
    assert view.rows[view.limit_row] == "1.00\u202fs"


@pytest.mark.asyncio(loop_scope="function")
async def test_received_metrics_and_charts_are_on_the_page_and_in_the_api():
    point = {"asDouble": 4.5, "attributes": [{"key": "queue", "value": {"stringValue": "<mail>"}}]}
    metric = {"name": "queue.depth", "gauge": {"dataPoints": [point]}}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    async with dashboard(NOWHERE) as (browser, _):
        async with browser.post("/v1/metrics", json=body) as response:
            assert response.status == 200
        page = await text(browser, "/charts")
        assert "queue.depth" in page
        assert "queue=&lt;mail&gt;" in page
        assert await text(browser, "/panels/charts?name=nothing") != ""
        async with browser.get("/api/metrics?name=DEPTH") as response:
            (series,) = (await response.json())["series"]
        assert (series["name"], series["points"][-1][1]) == ("queue.depth", 4.5)
        async with browser.get("/api/charts?since=5m") as response:
            assert len((await response.json())["services"]) > 1
        async with browser.get("/api/charts?since=never") as response:
            assert response.status == 400
        assert "This cannot be looked for: until" in await text(browser, "/charts?until=1h")


def test_two_traces_are_compared_span_by_span():
    memory = TelemetryStore()
    a, b = trace_id(), trace_id()
    for trace, slow in ((a, 0), (b, 400)):
        keep(
            memory,
            span(trace, span_id="1" * 16, ms=(0, 20 + slow), name="POST /orders"),
            span(trace, span_id="2" * 16, parent_id="1" * 16, ms=(1, 5), name="call"),
            span(trace, span_id="3" * 16, parent_id="1" * 16, ms=(6, 10 + slow), name="call"),
        )
    keep(memory, span(b, parent_id="3" * 16, ms=(7, 8), name="retry"))
    wholes = [memory.trace(each) for each in (a, b)]
    assert wholes[0] is not None
    assert wholes[1] is not None
    found = compare(wholes[0], wholes[1]).spans
    assert [(each.name, each.depth, each.change) for each in found] == [
        ("POST /orders", 0, "slower"),
        ("call", 1, "same"),
        ("call", 1, "slower"),
        ("retry", 2, "only-b"),
    ]
    assert [each.more_ms for each in found] == [400.0, 0.0, 400.0, 0.0]
