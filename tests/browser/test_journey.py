"""What the glass is for, in one go and with the mouse alone: order, trace, line of log, traffic, a
gremlin, red, the incident on the timeline, calm, green, the proof, an act."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.looks import (
    HAS_COLOUR,
    calm,
    close_drawer,
    colour_appears,
    confirmed_order,
    expect_light,
    flip,
    no_gremlin,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(500),
    pytest.mark.asyncio(loop_scope="session"),
]
SOON = 20_000
# A shop of its own: on its charts no gremlin of another test may be seen.
FLEET_ENVIRON = {"VALERIX_PAYMENT_DECLINE_RATE": "0"}


@pytest.mark.long  # more than a minute; its parts are each tried elsewhere
async def test_from_an_order_to_its_line_of_log_and_from_red_to_green(visit, fleet):
    page = await visit()
    await from_an_order_to_its_line(page)
    await page.get_by_role("link", name="Overview").click()
    traffic = page.get_by_role("switch", name="Steady traffic")
    await traffic.click()
    try:
        await expect_light(page, "order", "good", within_s=30)
        # A whole window of ordinary orders, so that what is measured is the steady case.
        await page.wait_for_timeout(25_000)
        await from_a_switch_to_red(page)
        incident = (await visit("/timeline")).locator(".incident").first
        await expect(incident).to_contain_text("Slow request 3 s on inventory")
        await expect(incident).to_contain_text(re.compile("turned red .*after"))
        red_after = (await incident.locator(".measured dd").first.inner_text()).split()[0]
        assert 0 < float(red_after) <= 20
        await from_calm_to_green(page)
        await expect(incident).to_contain_text("Every light was green", timeout=30_000)
        await expect(incident).to_contain_text("Called off after")
        await expect(incident).to_contain_text("It bit")
        await expect(incident).to_contain_text("Over", timeout=60_000)
        await expect(page.locator("#panel-reaction")).to_contain_text("Last: red in")
        await traffic.click()
        await expect(traffic).to_have_attribute("aria-checked", "false")
        await from_the_proof_through_an_act(page)
    finally:
        no_gremlin(fleet)
        fleet.ask("DELETE", "dashboard", "/api/traffic")


async def from_an_order_to_its_line(page):
    toast = await confirmed_order(page)
    trace = await toast.locator("a[href^='/traces/']").get_attribute("href")
    await toast.locator("a[href^='/traces/']").click()
    await expect(page.locator(".spans > li").first).to_contain_text("POST /orders", timeout=SOON)
    line = page.locator(".spans .lines li", has_text="order CONFIRMED").first
    await line.locator("a.at").click()
    found = page.locator(".tail-lines > li:target")
    await expect(found).to_contain_text("order CONFIRMED")
    await expect(found.locator("a.to")).to_have_attribute("href", re.compile(f"^{trace}#span-"))


async def from_a_switch_to_red(page):
    assert not await page.evaluate(HAS_COLOUR, ["p99", "gremlin"])
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose")
    await flip(page, "Slow request", "Inventory")
    loose = page.locator(".toast", has_text="Slow request on inventory is loose").first
    await expect(loose.locator("a[href^='/traces/']")).to_be_visible()
    await expect(page.locator("#panel-bar")).to_contain_text("Slow request 3 s")
    await expect(page.locator("#node-inventory")).to_have_class(
        re.compile("is-bitten"), timeout=5000
    )
    await close_drawer(page)
    await colour_appears(page, "p99", "gremlin")
    await expect_light(page, "inventory", "failed", within_s=25)
    await expect_light(page, "order", "failed", within_s=40)
    await expect(page.locator("#panel-health")).to_contain_text("Too slow")
    await expect(page.locator("#panel-orders")).to_contain_text("Stock unclear")
    reaction = page.locator("#panel-reaction")
    await expect(reaction).to_contain_text(re.compile(r"red in [\d.]+\ss"))
    assert float(re.search(r"red in ([\d.]+)", await reaction.inner_text())[1]) <= 20

    await page.goto("/traces?kind=bitten")
    bitten = page.locator(".trace-rows > li.is-bitten").first
    await expect(bitten).to_contain_text("latency", timeout=SOON)
    await page.goto("/")


async def from_calm_to_green(page):
    await calm(page)
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose")
    await expect_light(page, "inventory", "good", within_s=60)
    await expect_light(page, "order", "good", within_s=60)
    await expect(page.locator("#panel-reaction")).to_contain_text("green in", timeout=SOON)


async def from_the_proof_through_an_act(page):
    proof = page.locator("#panel-proof")
    await expect(proof).to_contain_text("promises hold", timeout=60_000)
    await page.get_by_role("link", name="Acts").click()
    await page.get_by_role("link", name="The last units").click()
    await page.get_by_role("button", name="Begin").click()
    following = page.get_by_role("button", name="Next")
    for title in ("Twenty-five on the shelf", "A nervous network", "The doors open", "Twenty-five"):
        await following.click(timeout=90_000)
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    ended = page.get_by_role("heading", name="Everything showed as written")
    await expect(ended).to_be_visible(timeout=90_000)
