"""The dashboard over HTTP, on a real database: pages, headers, first paint, and who may do what."""

import asyncio
import re

import pytest

from chassis.outcome import CallResult, Outcome
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import PANELS
from topology import NAMES

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "path", ["/", "/gremlins", "/timeline", "/panels/map", "/panels/audit", "/processes/order"]
)
async def test_nothing_inline_and_nothing_from_elsewhere(browser, path):
    async with browser.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        html = await response.text()
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)


async def test_a_notice_stands_on_every_page_and_otherwise_none_does(module_database):
    notice = '<p class="notice" role="note">Not &lt;the&gt; shop</p>'
    async with dashboard(module_database, notice="Not <the> shop") as (browser, _):
        for path in ("/", "/gremlins", "/timeline"):
            assert notice in await text(browser, path)
        async with browser.get("/nothing-here", headers={"Accept": "text/html"}) as response:
            assert notice in await response.text()
    async with dashboard(module_database) as (browser, _):
        assert 'class="notice"' not in await text(browser, "/")


async def test_the_page_holds_each_panel_byte_for_byte(browser):
    await text(browser, "/")
    names = set(PANELS) - {"timeline", "board"}
    for _ in range(3):
        page = await text(browser, "/")
        panels = {name: await text(browser, f"/panels/{name}") for name in names}
        if all(panel in page for panel in panels.values()):
            return
    # Ages tick on, so one of three tries must fall between two ticks.
    missing = [name for name, panel in panels.items() if panel not in page]
    raise AssertionError(f"another first paint: {missing}")


async def test_a_form_without_the_page_s_token_does_nothing(browser, wire):
    good = await token(browser)
    for path in ("/do/order", "/do/cancel", "/do/gremlin", "/do/calm",
                 "/login", "/logout"):  # fmt: skip
        for forged in ("", "0" * 64, good[:-1]):
            async with browser.post(path, data={"csrf": forged}) as response:
                assert response.status == 403, path
    async with browser.post("/actions/calm", data={"csrf": "0" * 64}) as response:
        assert "older than the dashboard" in await response.text()
    assert wire.asked == []


async def test_another_browser_s_token_is_no_use(browser, wire):
    stolen = await token(browser)
    browser.cookie_jar.clear()
    await token(browser)
    async with browser.post("/do/calm", data={"csrf": stolen}) as response:
        assert response.status == 403
    assert wire.asked == []


async def test_a_form_from_before_a_restart_is_still_good(module_database):
    async with dashboard(module_database) as (browser, _):
        # The first form of all waits for the database's key.
        async with browser.post("/do/calm") as response:
            assert response.status == 403
        old = await token(browser)
        cookies = {cookie.key: cookie.value for cookie in browser.cookie_jar}
    async with dashboard(module_database) as (browser, wire):
        browser.cookie_jar.update_cookies(cookies)
        async with browser.post("/do/calm", data={"csrf": old}, allow_redirects=False) as response:
            assert response.status == 303
        assert [asked[:2] for asked in wire.asked] == [("DELETE", "/gremlins")] * len(NAMES)


async def test_the_operator_s_token_opens_the_switches_and_goes_along(module_database):
    async with dashboard(module_database, operator_token=TOKEN) as (browser, wire):
        csrf = await token(browser)
        flip = {"csrf": csrf, "switch": "on:inventory:latency", "delay_latency": "2000"}
        async with browser.post("/do/gremlin", data=flip) as response:
            assert response.status == 401
        async with browser.post("/login", data={"csrf": csrf, "token": "x" * 32}) as no:
            assert no.status == 401
        assert wire.asked == []
        sign_in = {"csrf": csrf, "token": TOKEN}
        async with browser.post("/login", data=sign_in, allow_redirects=False) as yes:
            (cookie,) = yes.headers.getall("Set-Cookie")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert TOKEN not in cookie
        async with browser.post("/do/gremlin", data=flip, allow_redirects=False) as response:
            assert response.status == 303
        ((method, path, headers),) = wire.asked
        assert (method, path) == ("PUT", "/gremlins/latency")
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        async with browser.post("/logout", data={"csrf": csrf}) as response:
            assert response.status == 200
        async with browser.post("/do/gremlin", data=flip) as response:
            assert response.status == 401


async def test_a_process_that_does_not_exist_has_no_page_and_is_not_restarted(browser):
    for path in ("/processes/nothing", "/panels/about/nothing", "/panels/faults/postgres"):
        async with browser.get(path) as response:
            assert response.status == 404, path
    sent = {"csrf": await token(browser), "process": "nothing", "verb": "kill"}
    async with browser.post("/do/restart", data=sent) as response:
        assert response.status == 404


@pytest.mark.parametrize(("away_s", "status"), [("61", 400), ("-1", 400), ("5", 503)])
async def test_a_restart_that_cannot_be_asked_for_is_refused(browser, away_s, status):
    sent = {"csrf": await token(browser), "process": "order", "away_s": away_s}
    async with browser.post("/do/restart", data=sent) as response:
        assert response.status == status


ORDERED = (
    b'{"order_id":"0b0e6f5e-1111-4222-8333-944455556666","status":"CONFIRMED","quantity":1,'
    b'"product_id":"PROD-001","amount_minor":9999,"currency":"EUR","message":"","x":1}'
)


@pytest.mark.parametrize(
    ("answer", "state", "keeps_key"),
    [
        (CallResult(Outcome.OK, 201, body=ORDERED), "good", False),
        (CallResult(Outcome.OK, 202, body=ORDERED), "degraded", False),
        (CallResult(Outcome.DEFINITE_NO, 409, "out-of-stock", b"{}"), "refused", False),
        (CallResult(Outcome.DEFINITE_NO, 402, "payment-declined", b"{}"), "refused", False),
        (CallResult(Outcome.NOT_SENT, 503, "overloaded", b"{}"), "failed", False),
        (CallResult(Outcome.UNKNOWN, 0, "timeout"), "degraded", True),
        (CallResult(Outcome.IN_PROGRESS, 409, "in-progress", b"{}"), "degraded", True),
    ],
)
async def test_a_toast_shows_what_happened_and_an_unknown_outcome_keeps_the_key(
    browser, wire, answer, state, keeps_key
):
    wire.begin(answer)
    form = {"csrf": await token(browser), "key": "k" * 32, "quantity": "1"}
    form["product_id"] = "PROD-001"
    async with browser.post("/actions/order", data=form) as response:
        toast = await response.text()
    assert f'data-toast="{state}"' in toast
    assert ("hx-swap-oob" not in toast) is keeps_key
    assert wire.asked[0][2]["Idempotency-Key"] == "k" * 32


@pytest.mark.parametrize("quantity", ["0", "-1", "1001", "1.5", "", "abc", "٣"])
async def test_a_quantity_out_of_bounds_is_refused_here(browser, wire, quantity):
    form = {"csrf": await token(browser), "key": "k" * 32, "product_id": "PROD-001"}
    async with browser.post("/do/order", data={**form, "quantity": quantity}) as response:
        assert response.status == 400
    assert wire.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/nothing.css",
        "/static/vendor/README.md",
    ],
)
async def test_only_static_files_are_served(browser, path):
    async with browser.get(path) as response:
        assert response.status == 404


async def test_static_files_are_cached_for_ever_under_an_address_of_their_own(browser):
    address = re.search(r'href="(/static/app\.css\?v=\w+)"', await text(browser, "/"))[1]
    async with browser.get(address) as response:
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("since", ["", "?since=0", "?since=-5", "?since=nan", "?since=1e300"])
async def test_the_charts_are_sent_no_more_than_they_can_show(browser, since):
    async with browser.get(f"/charts/data{since}") as response:
        assert response.headers["Content-Type"].startswith("application/json")
        data = await response.json()
    assert len(data["at"]) <= 451
    assert set(data["services"]) == set(NAMES)
    async with browser.get("/charts/data?since=yesterday") as response:
        assert response.status == 400


async def test_the_timeline_page_holds_its_panel(browser):
    while "not read yet" in (panel := await text(browser, "/panels/timeline")).lower():
        await asyncio.sleep(0.1)
    assert panel in await text(browser, "/timeline")
    assert "Nothing was broken on purpose yet" in panel


async def test_the_page_stands_without_a_database():
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with dashboard(nowhere) as (browser, _):
        html = await text(browser, "/")
        assert "No signal" in html
        async with browser.get("/health/live") as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("nothing", "{}", 404, "not-found"),
        ("order", '{"away_s":61}', 400, "validation"),
        ("order", '{"verb":"stop"}', 400, "validation"),
        ("postgres", '{"verb":"kill"}', 400, "validation"),
        ("order", "{}", 503, "no-fleet"),
    ],
)
async def test_a_restart_by_api_is_refused_with_its_reason(browser, key, body, status, code):
    sent = {"Content-Type": "application/json"}
    url = f"/api/processes/{key}/restart"
    async with browser.post(url, data=body, headers=sent) as response:
        assert (response.status, (await response.json())["code"]) == (status, code)
