"""The page of providers and its switches: breaker, hour, day, and the acquirer's mode."""

from datetime import timedelta

import asyncpg
import pytest

from chassis.outcome import CallResult, Outcome
from frontend.providers import presenter
from frontend.providers.acquirer import MODES
from frontend.providers.panels import providers_panel
from frontend.providers.queries import (
    HourOutcomes,
    ProviderRecord,
    Providers,
    TermsRecord,
    WebhookFaultRecord,
)
from providers.acquirer.contract import Mode
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import DOWN, HOSTILE, LOCKED, NOW, show

# Beside these are tests that are not async.
with_the_module = pytest.mark.asyncio(loop_scope="module")

TERMS = TermsRecord("alfa", None, ("EUR",), 150, 25, 50, 100_000, 10_000)
ALFA = ProviderRecord(
    account=HOSTILE,
    connector="stripe",
    used_minor=2500,
    breaker="open",
    reason=HOSTILE,
    failures=5,
    breaker_since=NOW - timedelta(seconds=9),
    mode="timeout",
    mode_since=NOW,
    terms=(TERMS, TERMS),
    hour=HourOutcomes("alfa", captured=3, unknown=2, usual_ms=12.5, slow_ms=900.0),
)
FOUND = Providers((ALFA,), WebhookFaultRecord(lose=0.25))
OK = CallResult(Outcome.OK, 200, body=b"{}")


def test_an_account_is_shown_with_its_breaker_its_day_and_its_hour():
    (row,) = presenter.providers(FOUND).rows
    assert (row.state, row.word, row.why) == ("degraded", "breaker open", HOSTILE)
    assert (row.used, row.used_text, len(row.earlier)) == ("25%", "25.00 of 100.00", 1)
    assert [each.mode for each in row.modes if each.is_on] == ["timeout"]
    html = show(providers_panel(presenter.providers(FOUND)))
    assert "<script>" not in html
    assert html.count('aria-checked="true"') == 1
    assert "the next one does" in html


def test_without_the_operator_every_switch_is_locked():
    html = show(providers_panel(presenter.providers(FOUND)), visitor=LOCKED)
    assert html.count("<button") == html.count("disabled title=")


def test_the_panel_stands_without_a_database():
    assert "No answer in time" in show(providers_panel(DOWN))


def test_the_modes_are_the_acquirer_s():
    assert set(MODES) == set(Mode.__args__)


@with_the_module
async def test_the_accounts_of_the_migrations_are_shown(browser):
    html = await text(browser, "/providers")
    async with browser.get("/api/providers") as response:
        found = await response.json()
    modes = {each["account"]: each["mode"] for each in found["providers"]}
    at_the_acquirer = dict.fromkeys(("alfa", "bravo", "charlie"), "happy")
    assert modes == {**at_the_acquirer, "mock": None, "wallet": None}
    assert html.count('action="/do/mode"') == 3


async def test_a_mode_is_set_at_the_acquirer_by_the_operator_alone(module_database):
    async with dashboard(module_database, OK, operator_token=TOKEN) as (browser, wire):
        csrf = await token(browser)
        form = {"csrf": csrf, "account": "alfa", "mode": "500"}
        for action, more in (("mode", {}), ("webhook-fault", {"fault": "lose", "on": "1"})):
            async with browser.post(f"/do/{action}", data={**form, **more}) as response:
                assert response.status == 401, action
        assert wire.asked == []
        await browser.post("/login", data={"csrf": csrf, "token": TOKEN})
        async with browser.post("/actions/mode", data=form) as response:
            assert "alfa: 500" in await response.text()
        ((method, path, headers),) = wire.asked
        assert (method, path) == ("PUT", "/accounts/alfa/mode")
        assert headers["Authorization"] == f"Bearer {TOKEN}"


@with_the_module
@pytest.mark.parametrize(
    "form", [{"account": "alfa", "mode": "sleepy"}, {"account": "../x", "mode": "500"}]
)
async def test_what_is_no_mode_is_refused_here(browser, wire, form):
    wire.begin(OK)
    async with browser.post("/do/mode", data={"csrf": await token(browser), **form}) as answer:
        assert answer.status == 400
    assert wire.asked == []


@with_the_module
async def test_one_fault_of_webhooks_is_turned_and_the_others_stay(module_database, browser, wire):
    connection = await asyncpg.connect(module_database)
    await connection.execute("UPDATE acquirer.webhook_faults SET duplicate = 0.5")
    await connection.close()
    wire.begin(OK)
    form = {"csrf": await token(browser), "fault": "lose", "on": "1"}
    async with browser.post("/actions/webhook-fault", data=form) as response:
        assert "a quarter is lost" in await response.text()
    assert wire.sent == [WebhookFaultRecord(duplicate=0.5, lose=0.25)]
