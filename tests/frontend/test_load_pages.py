"""The page of load: empty, running, compared with the last, and its refusals."""

import json
import time

import pytest
from msgspec.structs import replace

from fleet import client
from fleet.client import LOAD_STATE, LoadState
from frontend.load import presenter
from frontend.load.panels import load_panel, runs_panel
from observatory.load_runs import LoadProgress, LoadRuns
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import DOWN, HOSTILE, LOCKED, NOW, show

BEGAN_S = NOW.timestamp()
PROGRESS = LoadProgress(
    profile="smoke", unit="orders", scale=1.0, rate=0.0, began_s=BEGAN_S, now_s=BEGAN_S + 15,
    duration_s=30.0, shoppers=1, answers=70, per_s=4.5, p50_ms=20.0, p95_ms=40.0, p99_ms=60.0,
    failed_percent=0.0,
)  # fmt: skip
RUNNING = LoadState("smoke", 1.0, 0.0, "me", BEGAN_S, "somewhere")
DOCUMENT = {
    "profile": "smoke", "scale": 1.0, "rate": 0.0, "began": NOW.isoformat(), "seconds": 30.0,
    "answer": "kept", "headline": "It held.", "complete": True, "orders_per_s": 5.0,
    "degraded_percent": 0.0, "latency": {"all": {"count": 9, "p95_ms": 50.0, "p99_ms": 60.0}},
    "thresholds": [{"name": "errors", "actual": 0.0, "unit": "%", "limit": 5.0, "kept": True}],
}  # fmt: skip


def kept(folder, name, **changes):
    """The folder of a run that was judged."""
    run = folder / name
    run.mkdir(parents=True)
    (run / "report.json").write_text(json.dumps(DOCUMENT | changes))
    (run / "report.html").write_text("<style>b{}</style><title>a report</title>")
    return run


@pytest.fixture
def reports(tmp_path):
    """Two runs of one kind, an hour apart, and one of another."""
    kept(tmp_path, "20261121-110000-smoke", began="2026-11-21T11:00:00Z", orders_per_s=10.0)
    kept(tmp_path, "20261121-113000-load", profile="load", began="2026-11-21T11:30:00Z")
    kept(tmp_path, "20261121-120000-smoke")
    return LoadRuns(tmp_path).reports()


def test_a_run_is_compared_with_the_last_of_its_kind(reports):
    view = presenter.load(None, None, reports)
    assert (view.of.name, view.last.name) == (
        "20261121-120000-smoke", "20261121-110000-smoke",
    )  # fmt: skip
    rows = {row.name: row for row in view.figures}
    assert rows["throughput"].change == "\u22125.0\u202f/s"
    assert rows["throughput"].state == "degraded"
    assert (rows["p95"].change, rows["p95"].state) == ("the same", "none")
    assert rows["p50"].now == "\u2013"


def test_a_run_that_is_on_is_compared_while_it_runs(reports):
    view = presenter.load(RUNNING, PROGRESS, reports)
    assert (view.phase, view.done, view.last.name) == ("running", "50%", "20261121-120000-smoke")
    over = presenter.load(RUNNING, replace(PROGRESS, is_over=True), reports)
    assert over.phase.startswith("over")
    assert presenter.load(RUNNING, None, ()).phase == "smoke is starting"


def test_the_panels_stand_empty_running_hostile_and_without_a_source(reports):
    empty = presenter.load(None, None, ())
    assert "No run yet" in show(load_panel(empty))
    assert "disabled" in show(load_panel(presenter.load(None, None, (), "only a fleet runs one")))
    assert "disabled" in show(load_panel(empty), visitor=LOCKED)
    failed = replace(RUNNING, state="ended", why=HOSTILE)
    for view in (
        presenter.load(failed, None, reports),
        presenter.load(RUNNING, replace(PROGRESS, profile=HOSTILE), reports),
    ):
        assert "<script>" not in show(load_panel(view))
    hostile = tuple(replace(each, profile=HOSTILE, headline=HOSTILE) for each in reports)
    assert "<script>" not in show(runs_panel(presenter.runs(hostile)))
    assert "No run has left a report" in show(runs_panel(presenter.runs(())))
    for panel in (load_panel(DOWN), runs_panel(DOWN)):
        assert "No answer in time" in show(panel)


def test_runs_are_found_while_they_run_and_when_they_were_killed(tmp_path):
    run = tmp_path / "20261121-120000-smoke"
    run.mkdir()
    now_s = time.time()
    on = replace(PROGRESS, began_s=now_s - 15, now_s=now_s)
    client.write(run / "progress.json", on)
    found = LoadRuns(tmp_path)
    assert found.current() == on
    assert [each.until for each in found.windows(0)] == [None]
    client.write(run / "progress.json", replace(on, now_s=now_s - 60))
    assert found.current() is None, "it was killed a minute ago"
    assert [each.until for each in found.windows(0)] == [now_s - 60]
    assert found.windows(now_s - 30) == ()
    (run / "progress.json").write_text("no JSON")
    (run / "report.json").write_text("{}")
    assert (found.current(), found.reports(), found.windows(0)) == (None, (), ())
    assert LoadRuns(None).reports() == LoadRuns(tmp_path / "none").reports() == ()


async def test_a_report_has_no_scripts_and_only_one_that_is_listed_is_shown(database_url, tmp_path):
    kept(tmp_path / "reports", "20261121-120000-smoke")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/report.html").write_text("a secret")
    async with dashboard(database_url, load_reports=str(tmp_path / "reports")) as (browser, _):
        async with browser.get("/load/20261121-120000-smoke") as answer:
            assert "a report" in await answer.text()
            assert "script-src" not in answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        for name in ("nothing", "..%2fsecret", "."):
            async with browser.get(f"/load/{name}") as answer:
                assert "a secret" not in await answer.text()
        assert "20261121-120000-smoke" in await text(browser, "/load")
        data = await text(browser, "/charts/data")
        assert '"loads":[]' in data


async def test_any_two_reports_are_compared_and_no_others(database_url, tmp_path):
    first, second = "20261121-110000-smoke", "20261121-120000-load"
    kept(tmp_path, first, orders_per_s=10.0)
    kept(tmp_path, second, profile="load")
    async with dashboard(database_url, load_reports=str(tmp_path)) as (browser, _):
        both = f"/load/compare?a={first}&b={second}"
        found = json.loads(await text(browser, f"/api{both}"))
        rate = found["figures"][0]
        assert (rate["a"], rate["b"], rate["difference"]) == (10.0, 5.0, -5.0)
        assert (rate["is_worse"], found["is_one_kind"]) == (True, False)
        assert "\u22125.0\u202f/s" in await text(browser, both)
        assert "Compare two reports" in await text(browser, "/load")
        for status, a, b in (
            (400, first, first), (400, "", first), (404, first, "nothing"),
            (404, "..%2f" + first, second), (404, "x" * 5000, second),
        ):  # fmt: skip
            for path in ("/load/compare", "/api/load/compare"):
                async with browser.get(f"{path}?a={a}&b={b}") as answer:
                    assert answer.status == status, (path, a[:80], b)


BAD = (
    (400, '{"profile":"smoke","scale":0}'), (400, '{"profile":"smoke","rate":-1}'),
    (400, '{"profile":"load","scale":100}'), (400, "{}"), (400, '{"profile":"smoke","x":1}'),
    (404, '{"profile":"nope"}'), (503, '{"profile":"smoke"}'),
)  # fmt: skip


async def test_what_cannot_be_run_is_refused(database_url, tmp_path):
    sent = {"Content-Type": "application/json"}
    async with dashboard(database_url) as (browser, _):
        for status, body in BAD:
            async with browser.post("/api/load", data=body, headers=sent) as answer:
                assert answer.status == status, body
        async with browser.delete("/api/load") as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "load-off")
        form = {"csrf": await token(browser), "turn": "on", "profile": "smoke", "scale": "x"}
        async with browser.post("/do/load", data=form) as answer:
            assert answer.status == 400
    client.write(tmp_path / LOAD_STATE, RUNNING)
    async with (
        dashboard(database_url, control=str(tmp_path)) as (browser, _),
        browser.post("/api/load", json={"profile": "smoke"}) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (409, "load-on")


async def test_only_the_operator_starts_and_stops(database_url):
    async with dashboard(database_url, operator_token=TOKEN) as (browser, _):
        for ask in (
            browser.post("/api/load", json={"profile": "smoke"}),
            browser.delete("/api/load"),
        ):
            async with ask as answer:
                assert answer.status == 401
        form = {"csrf": await token(browser), "turn": "on", "profile": "smoke"}
        async with browser.post("/do/load", data=form) as answer:
            assert answer.status == 401
