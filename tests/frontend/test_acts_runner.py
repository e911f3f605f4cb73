"""Acts on the dashboard, over HTTP, on a real database: who may, one at a time, calm afterwards."""

import asyncio

import pytest
import pytest_asyncio

from chassis.outcome import CallResult, Outcome
from frontend.acts import scenario_runner
from scenarios.lock import ScenarioLock, holder
from tests.frontend.test_pages import TOKEN, dashboard, text, token
from topology import NAMES

in_module_loop = pytest.mark.asyncio(loop_scope="module")

STOCK = (
    b'{"products":[{"product_id":"PROD-001","stock":9000,"reserved":0,"sold":0,"total":9000},'
    b'{"product_id":"PROD-002","stock":900,"reserved":0,"sold":0,"total":900},'
    b'{"product_id":"PROD-003","stock":25,"reserved":0,"sold":0,"total":25}],"calmed":0}'
)
WELL = CallResult(Outcome.OK, 200, body=STOCK, trace_id="ab" * 16)


async def press(browser, verb, csrf, **form):
    """The status, and where it leads."""
    async with browser.post(
        f"/do/act/{verb}",
        data={"csrf": csrf, **form},
        headers={"Referer": "http://127.0.0.1/acts/last-units"},
        allow_redirects=False,
    ) as response:
        return response.status, response.headers.get("Location"), await response.text()


async def until(browser, path, what):
    for _ in range(200):
        html = await text(browser, path)
        if what in html:
            return html
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} never says {what!r}:\n{html}")


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """The end waits for a timeline that has nothing to tell here."""
    monkeypatch.setattr("scenarios.player._TIMELINE_WITHIN_S", 0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(module_database):
    """A browser at a dashboard where no act is played."""
    async with dashboard(module_database, WELL) as (browser, _):
        yield browser


async def test_an_act_begins_goes_on_and_ends_calm(database_url):
    async with dashboard(database_url, WELL) as (browser, wire):
        csrf = await token(browser)
        status, location, _ = await press(browser, "begin", csrf, act="last-units")
        assert (status, location) == (303, "/acts/last-units")
        assert (await holder(database_url)).act == "last-units"
        assert "Ready" in await text(browser, "/panels/rail")
        assert "The curtain is up" in await text(browser, "/acts/last-units/notes")

        assert (await press(browser, "next", csrf))[0] == 303
        await until(browser, "/panels/act/last-units", "Twenty-five on the shelf")
        assert 'data-look="shop"' in await text(browser, "/")

        assert (await press(browser, "end", csrf))[0] == 303
        html = await until(browser, "/acts/last-units", "Stopped before its end")
        assert "ended by the presenter" in html
        calm = [("DELETE", "/gremlins")] * len(NAMES)
        assert [asked[:2] for asked in wire.asked][-len(NAMES) :] == calm
        assert {asked[2]["X-Valerix-Actor"] for asked in wire.asked if asked[2]} == {
            "act last-units"
        }
        assert await holder(database_url) is None
        await press(browser, "put-away", csrf)
        assert "hidden" in await text(browser, "/panels/rail")


async def test_one_act_at_a_time(database_url):
    async with dashboard(database_url, WELL) as (browser, _):
        csrf = await token(browser)
        async with ScenarioLock(database_url, "slow-inventory", "a terminal (pid 7)"):
            status, _, html = await press(browser, "begin", csrf, act="last-units")
            assert status == 409
            assert "The act slow-inventory is being played by a terminal (pid 7)" in html
            assert "slow-inventory is played by a terminal" in await text(browser, "/acts")
        assert (await press(browser, "begin", csrf, act="last-units"))[0] == 303
        status, _, html = await press(browser, "begin", csrf, act="slow-inventory")
        assert status == 409
        assert "An act is under way: end it first." in html
        assert "is being played here" in await text(browser, "/acts/slow-inventory")


async def test_two_who_begin_in_the_same_moment_are_one(database_url):
    async with dashboard(database_url, WELL) as (browser, _):
        csrf = await token(browser)
        both = await asyncio.gather(
            *(press(browser, "begin", csrf, act=act) for act in ("last-units", "slow-inventory"))
        )
        assert sorted(status for status, _, _ in both) == [303, 409]


async def test_an_act_does_not_begin_without_the_shop(database_url):
    gone = CallResult(Outcome.NOT_SENT, 0, "connect-failed")
    async with dashboard(database_url, gone) as (browser, _):
        status, _, html = await press(browser, "begin", await token(browser), act="last-units")
        assert status == 409
        assert "Gateway-service does not answer at" in html
        assert await holder(database_url) is None


async def test_an_act_does_not_begin_when_the_services_want_another_token(database_url):
    wrong = CallResult(Outcome.DEFINITE_NO, 401, "bad-token")
    async with dashboard(database_url, wrong) as (browser, _):
        _, _, html = await press(browser, "begin", await token(browser), act="last-units")
        assert "wants another operator token" in html


async def test_only_the_operator_plays(database_url):
    async with dashboard(database_url, WELL, operator_token=TOKEN) as (browser, wire):
        csrf = await token(browser)
        assert "Only an operator may play acts here" in await text(browser, "/acts/last-units")
        for verb in ("begin", "next", "skip", "end", "put-away"):
            assert (await press(browser, verb, csrf, act="last-units"))[0] == 401
            assert (await press(browser, verb, "0" * 64, act="last-units"))[0] == 403
        assert wire.asked == []
        async with browser.post("/login", data={"csrf": csrf, "token": TOKEN}):
            pass
        assert (await press(browser, "begin", csrf, act="last-units"))[0] == 303
        assert wire.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"


@in_module_loop
@pytest.mark.parametrize("verb", ["next", "skip", "end"])
async def test_without_an_act_there_is_nothing_to_press(idle, verb):
    csrf = await token(idle)
    status, _, html = await press(idle, verb, csrf)
    assert status == 409
    assert "No act is being played here." in html
    async with idle.post(f"/actions/act/{verb}", data={"csrf": csrf}) as response:
        assert 'data-toast="failed"' in await response.text()


@in_module_loop
@pytest.mark.parametrize("name", ["nothing", "%2e%2e%2fREADME", "last-units.yaml", "a%00b"])
async def test_an_unknown_act_is_not_found(idle, name):
    for path in (f"/acts/{name}", f"/acts/{name}/notes", f"/panels/act/{name}"):
        async with idle.get(path) as response:
            assert response.status in (400, 404), path
    csrf = await token(idle)
    assert (await press(idle, "begin", csrf, act=name))[0] in (400, 404)


async def test_a_file_that_is_not_an_act_is_named_with_its_line(
    database_url, tmp_path, monkeypatch
):
    (tmp_path / "bad.yaml").write_text("title: T\nteaches: x\nsteps:\n  - titel: a\n")
    monkeypatch.setattr(scenario_runner, "find", lambda name: tmp_path / f"{name}.yaml")
    async with (
        dashboard(database_url, WELL) as (browser, _),
        browser.get("/acts/bad") as response,
    ):
        assert response.status == 422
        html = (await response.text()).replace("&#39;", "'")
    assert "bad.yaml:4: there is no word <code>titel</code> (is <code>title</code> meant?)" in html


async def test_when_the_presenter_s_browser_is_gone_the_act_ends_calm(database_url, monkeypatch):
    monkeypatch.setattr(scenario_runner, "_CHECK_EVERY_S", 0.05)
    async with dashboard(database_url, WELL, act_patience_s=0.5) as (browser, wire):
        csrf = await token(browser)
        await press(browser, "begin", csrf, act="last-units")
        for _ in range(8):  # as long as it asks, it is there
            await text(browser, "/panels/bar")
            await asyncio.sleep(0.1)
        assert (await holder(database_url)) is not None
        browser.cookie_jar.clear()  # a spectator's browser is not the presenter's
        for _ in range(40):
            await text(browser, "/panels/rail")
            if await holder(database_url) is None:
                break
            await asyncio.sleep(0.05)
        html = await until(browser, "/acts/last-units", "Stopped before its end")
        assert "no word from the presenter" in html
        calm = [("DELETE", "/gremlins")] * len(NAMES)
        assert [asked[:2] for asked in wire.asked][-len(NAMES) :] == calm


async def test_a_dashboard_that_stops_ends_the_act_calm(database_url):
    async with dashboard(database_url, WELL) as (browser, wire):
        await press(browser, "begin", await token(browser), act="last-units")
        asked = len(wire.asked)
    assert [each[:2] for each in wire.asked[asked:]] == [("DELETE", "/gremlins")] * len(NAMES)
    assert await holder(database_url) is None


@in_module_loop
@pytest.mark.parametrize(
    ("path", "panel"),
    [
        ("/acts", None),
        ("/acts/last-units", "/panels/act/last-units"),
        ("/acts/last-units/notes", "/panels/notes/last-units"),
    ],
)
async def test_nothing_inline_and_the_first_response_holds_the_panel(idle, path, panel):
    html = await text(idle, path)
    assert 'aria-current="page">Acts' in html
    # What is known of the shop goes on, so one of three tries must fall between two steps.
    tries = 3 if panel else 0
    for _ in range(tries):
        if await text(idle, panel) in await text(idle, path):
            return
    assert tries == 0, "another first paint"
