"""The pages of reports: empty, full, hostile; and the same as JSON and YAML."""

from datetime import timedelta

import pytest
import yaml

from frontend.reports import presenter
from frontend.reports.panels import capacity_panel, contracts_panel, report_panel, reports_panel
from frontend.reports.view_models import ContractsView
from observatory.capacity.plan import plan, read_figures
from observatory.retrospective.model import (
    Anomaly,
    FailureReason,
    GremlinTime,
    SchemaViolation,
)
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import DOWN, HOSTILE, NOW, show
from tests.observatory.test_retrospective import report

VIOLATION = SchemaViolation(
    service=HOSTILE, schema=HOSTILE, field="", rule="type", expected=HOSTILE, found=HOSTILE,
    direction="sent", count=7, first_at=NOW, last_at=NOW, trace_id="ab" * 16,
)  # fmt: skip
FULL = report(
    reasons=(FailureReason("orders", HOSTILE, 8), FailureReason("orders", "OTHER", 1)),
    violations=(VIOLATION,),
    anomalies=(
        Anomaly(of="orders", what=HOSTILE, unit="failures", now=8.0, usual=1.0, deviations=7.0,
                periods=8),
    ),
    gremlins=(
        GremlinTime(service="order", name=HOSTILE, kind="late", strength="3 s", actor=HOSTILE,
                    on=NOW, off=None),
    ),
)  # fmt: skip
EVERY = timedelta(hours=24)


def test_a_report_is_shown_with_its_reasons_as_bars():
    view = presenter.report(FULL)
    assert (view.state, view.period, view.share) == ("degraded", "1 hour", "10.0\u202f%")
    assert [each.width for each in view.reasons] == ["100%", "12.5%"]
    html = show(report_panel(FULL))
    assert "<script>" not in html
    assert "PAYMENT" not in html


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"total_requests": 0}, "none"),
        ({}, "good"),
        ({"violations": (VIOLATION,)}, "degraded"),
    ],
)
def test_a_report_says_whether_there_is_something_to_look_at(changes, state):
    (row,) = presenter.reports((report(**changes),), EVERY).rows
    assert row.state == state


def test_the_panels_stand_empty_hostile_and_without_a_source():
    assert "No report was written yet" in show(reports_panel(presenter.reports((), EVERY)))
    assert "<script>" not in show(reports_panel(presenter.reports((FULL,), EVERY)))
    assert "No message that was checked" in show(contracts_panel(ContractsView((), "")))
    assert "<script>" not in show(contracts_panel(ContractsView((VIOLATION,), HOSTILE)))
    for panel in (reports_panel(DOWN), contracts_panel(DOWN)):
        assert "No answer in time" in show(panel)


async def test_a_report_that_is_written_is_the_same_everywhere(database_url, connection, tmp_path):
    await connection.execute(
        "INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor,"
        " amount_minor,"
        " currency, status, next_attempt_at, deadline_at)"
        " SELECT gen_random_uuid(), gen_random_uuid(), 'PROD-001', 1, 5, 5, 'EUR', 'PENDING',"
        " now(), now()"
        " FROM generate_series(1, 3)"
    )
    async with dashboard(database_url, telemetry_dir=str(tmp_path)) as (browser, _):
        form = {"csrf": await token(browser), "since": "10m"}
        async with browser.post("/do/report", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            page = answer.headers["Location"]
        name = page.rpartition("/")[2]
        async with browser.get(f"/api/reports/{name}") as answer:
            found = await answer.json()
        assert yaml.safe_load(await text(browser, f"/api/reports/{name}/yaml")) == found
        assert (found["total_requests"], found["written_by"]) == (3, "page")
        assert found["requests"][0]["open"] == 3
        assert name in await text(browser, "/reports")
        assert "10 minutes" in await text(browser, page)
    assert [path.stem for path in (tmp_path / "reports").iterdir()] == [name]


BAD = ('{"since":"1y"}', '{"since":"0h"}', '{"since":1}', '{"since":"1h","x":1}', "", "[]")


async def test_what_is_no_period_is_refused_and_nothing_is_written(database_url, tmp_path):
    sent = {"Content-Type": "application/json"}
    async with dashboard(database_url, telemetry_dir=str(tmp_path)) as (browser, _):
        for body in BAD:
            async with browser.post("/api/reports", data=body, headers=sent) as answer:
                assert answer.status == 400, body
                assert (await answer.json())["code"] in ("validation", "malformed")
        async with browser.get("/api/reports") as answer:
            assert await answer.json() == {"reports": []}


async def test_only_the_operator_writes_one_and_an_unknown_one_is_not_there(database_url):
    async with dashboard(database_url, operator_token=TOKEN) as (browser, _):
        async with browser.post("/api/reports", json={"since": "1h"}) as answer:
            assert answer.status == 401
        form = {"csrf": await token(browser), "since": "1h"}
        async with browser.post("/do/report", data=form) as answer:
            assert answer.status == 401
        for path in ("/reports/nothing", "/api/reports/nothing", "/api/reports/..%2f/yaml"):
            async with browser.get(path) as answer:
                assert answer.status == 404, path


async def test_what_orders_take_is_the_same_on_the_page_and_as_json(database_url, tmp_path):
    figures = read_figures()
    async with dashboard(database_url, telemetry_dir=str(tmp_path)) as (browser, _):
        async with browser.get("/api/capacity", params={"orders_per_s": "40"}) as response:
            found = await response.json()
        assert found["limits"][0]["what"] == plan(figures, 40.0).limits[0].what
        page = await text(browser, "/reports?orders_per_s=40")
        assert show(capacity_panel(figures, "40")) in page
        for wrong in ("", "many", "-1"):
            async with browser.get("/api/capacity", params={"orders_per_s": wrong}) as response:
                assert (response.status, (await response.json())["code"]) == (400, "validation")
    assert "<script>" not in show(capacity_panel(figures, HOSTILE))
    assert "cannot be used" in show(capacity_panel(figures, HOSTILE))
