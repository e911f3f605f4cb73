"""The switch for steady traffic: its bounds, its panel, and its line in the audit log."""

import asyncio
from datetime import timedelta
from unittest.mock import patch

import asyncpg
import pytest

from frontend.traffic import presenter
from frontend.traffic.view_models import AnswerCount, TrafficPanelView
from proof.evaluate import evaluate
from scenarios.steady_traffic import SteadyTraffic, TrafficMix, TrafficOrder
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import HOSTILE, LOCKED, NOW, show

JSON = {"Content-Type": "application/json"}
OFF = TrafficPanelView(None, "", "", False, "", (), (1, 5), 5, (("all", HOSTILE),))
ON = TrafficPanelView(
    TrafficOrder(5.0, TrafficMix(), NOW, NOW + timedelta(hours=1), HOSTILE),
    "5", HOSTILE, False, HOSTILE, (AnswerCount(HOSTILE, 7, HOSTILE),), (1, 5), 5, (),
)  # fmt: skip


def test_the_panel_stands_off_on_locked_and_hostile():
    assert 'value="on"' in show("traffic", OFF)
    assert 'value="off"' in show("traffic", ON)
    for html in (show("traffic", OFF), show("traffic", ON), show("traffic", OFF, LOCKED)):
        assert "<script>" not in html
    assert "disabled" in show("traffic", OFF, LOCKED)


def test_a_mix_is_written_without_what_nobody_does():
    assert presenter.shown_mix(TrafficMix(6, 0, 1)) == "6 orders : 1 wallets"
    assert presenter.shown_mix(TrafficMix(0, 3, 0)) == "payments only"


@pytest.mark.parametrize(
    "body",
    [
        '{"rate":0.05}', '{"rate":20.1}', '{"rate":-1}', '{"rate":"5"}', '{"rate":1e999}',
        '{"minutes":0}', '{"minutes":481}', '{"minutes":1.5}', '{"x":1}', "[]", "",
        '{"mix":{"orders":0,"payments":0,"wallets":0}}', '{"mix":{"orders":-1}}',
        '{"mix":{"orders":101}}', '{"mix":{"refunds":1}}',
    ],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_out_of_bounds_is_refused(browser, body):
    async with browser.post("/api/traffic", data=body, headers=JSON) as answer:
        assert answer.status == 400, body
        assert (await answer.json())["code"] in ("validation", "malformed")
    async with browser.get("/api/traffic") as answer:
        assert (await answer.json())["is_on"] is False


async def test_it_is_one_switch_by_page_and_by_api_and_in_the_audit_log(database_url):
    async with dashboard(database_url) as (browser, _):
        form = {"csrf": await token(browser), "turn": "on", "rate": "2", "mix": "payments"}
        async with browser.post("/do/traffic", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
        async with browser.post("/api/traffic", json={}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "traffic-on")
        async with browser.get("/api/traffic") as answer:
            found = await answer.json()
        assert (found["rate"], found["mix"]["orders"], found["actor"]) == (2.0, 0, "dashboard")
        assert "2 a second" in await text(browser, "/panels/traffic")
        async with browser.delete("/api/traffic", headers={"X-Valerix-Actor": "me"}) as answer:
            assert (answer.status, (await answer.json())["is_on"]) == (200, False)
        async with browser.delete("/api/traffic") as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "traffic-off")
        audit = await text(browser, "/panels/audit")
        assert "2/s, payments only, for 60 min" in audit
        assert "<td>stopped</td><td>Steady traffic</td><td>dashboard</td><td>me</td>" in audit


async def test_only_the_operator_turns_it(database_url):
    async with dashboard(database_url, operator_token=TOKEN) as (browser, _):
        for ask in (browser.post("/api/traffic", json={}), browser.delete("/api/traffic")):
            async with ask as answer:
                assert answer.status == 401
        form = {"csrf": await token(browser), "turn": "on", "rate": "2", "mix": "all"}
        async with browser.post("/do/traffic", data=form) as answer:
            assert answer.status == 401


async def _found_on(traffic: SteadyTraffic) -> TrafficOrder | None:
    """What is on; it is taken away later."""
    order = traffic.order
    await asyncio.sleep(0.5)
    return order


@pytest.mark.parametrize(
    ("is_guarded", "answers", "broken"), [(True, [200, 409], set()), (False, [200, 200], {"L1"})]
)
async def test_whoever_stops_it_takes_it_away_first(
    database_url: str, connection: asyncpg.Connection, is_guarded, answers, broken
):
    """The ablation: two stop it at once, and both find it on."""
    await connection.execute("ALTER TABLE dashboard.operations DROP CONSTRAINT ends_once")
    stop = SteadyTraffic.stop if is_guarded else _found_on
    async with dashboard(database_url) as (browser, _):
        async with browser.post("/api/traffic", json={"rate": 0.1}) as answer:
            assert answer.status == 201
        with patch.object(SteadyTraffic, "stop", stop):
            both = await asyncio.gather(*(browser.delete("/api/traffic") for _ in answers))
    assert sorted(each.status for each in both) == answers
    report = await evaluate(connection)
    assert {each.invariant.id for each in report.those("violated")} - {"I30"} == broken
