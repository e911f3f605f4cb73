"""A fault behind a node of the map: a switch, a red light, one button, a green light."""

import aiohttp
import asyncpg
import pytest
from playwright.async_api import expect

from tests.browser.looks import calm, flip, no_gremlin, node, place_order

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.fixture(autouse=True)
def calm_afterwards(fleet):
    yield
    no_gremlin(fleet)


async def test_a_switch_goes_on_counts_down_and_goes_off(visit):
    page = await visit()
    await node(page, "Payments").click()
    switch = page.get_by_role("switch", name="Late answer on Payments")
    await expect(switch).to_have_attribute("aria-checked", "false")
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")
    before = await switch.inner_text()
    await expect(switch).not_to_have_text(before)
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "false")
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose")


@pytest.mark.long
async def test_strength_goes_with_the_gremlin(visit, fleet):
    page = await visit()
    await node(page, "Orders").click()
    await page.get_by_label("Slow request on Orders: delay in milliseconds").fill("1500")
    await page.get_by_label("Orders: share of requests").select_option("25")
    await page.get_by_label("Orders: how long").select_option("60")
    await flip(page, "Slow request", "Orders")
    await expect(page.locator("#panel-bar")).to_contain_text("25")
    _, body = fleet.ask("GET", "order", "/gremlins")
    (gremlin,) = body["gremlins"]
    assert (gremlin["kind"], gremlin["delay_ms"]) == ("latency", 1500)
    assert (gremlin["probability"], gremlin["started_by"]) == (0.25, "dashboard")
    assert gremlin["remaining_s"] <= 60


@pytest.mark.long
async def test_a_gremlin_can_be_switched_without_javascript(visit):
    page = await visit(java_script_enabled=False)
    await flip(page, "Errors", "Payments")
    assert page.url.endswith("/processes/payment#panel-faults")
    switch = page.get_by_role("switch", name="Errors on Payments")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await page.goto("/")
    await place_order(page)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Payment open")
    await calm(page)
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose")


async def test_the_audit_log_names_who_did_what(visit):
    page = await visit("/gremlins")
    await flip(page, "Connection refused", "Inventory")
    await expect(page.locator("#panel-audit tbody tr").first).to_contain_text("let loose")
    await calm(page)
    newest = page.locator("#panel-audit tbody tr").first
    await expect(newest).to_contain_text("called off")
    await expect(newest).to_contain_text("dashboard")


@pytest.mark.long
async def test_one_started_elsewhere_is_seen_here_within_seconds(visit, fleet):
    page = await visit()
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose")
    slow = {"enabled": True, "delay_ms": 2500}
    async with (
        aiohttp.ClientSession(fleet.url("inventory")) as elsewhere,
        elsewhere.post("/gremlin/latency", json=slow) as answer,
    ):
        assert answer.status == 200
    await expect(page.locator("#panel-bar")).to_contain_text("Slow request 2.5 s", timeout=4000)


@pytest.mark.long
async def test_a_switch_can_be_pressed_while_nobody_knows_what_is_loose(visit, fleet):
    page = await visit()
    database = await asyncpg.connect(fleet.database_url)
    async with database.transaction():
        # Who asks for the gremlins of all services waits for this one.
        await database.execute("LOCK TABLE payments.gremlins IN ACCESS EXCLUSIVE MODE")
        await node(page, "Inventory").click()
        button = page.get_by_role("button", name="Connection refused on Inventory")
        await expect(button).to_be_enabled()
        await button.click()
        await expect(page.locator(".toast").first).to_contain_text(
            "Connection refused on inventory is loose"
        )
    await database.close()
    switch = page.get_by_role("switch", name="Connection refused on Inventory")
    await expect(switch).to_have_attribute("aria-checked", "true")
