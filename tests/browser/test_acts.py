"""An act that is played: Begin, Next by button, key and from the notes, then the summary."""

import asyncio
import re
import time

import pytest
from playwright.async_api import Page, expect

from tests.browser.looks import no_gremlin

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]
# The pages ask every second or two; a closed one never again.
PATIENCE_S = 15
FLEET_ENVIRON = {"VALERIX_ACT_PATIENCE_S": str(PATIENCE_S)}


@pytest.fixture(autouse=True)
def calm_afterwards(fleet):
    yield
    no_gremlin(fleet)


def ready(page: Page):
    """Next, as soon as it can be pressed."""
    return page.locator("[data-next]:not(:disabled)")


async def framed(page: Page, place: str) -> bool:
    style = "element => getComputedStyle(element).outlineStyle"
    return await page.locator(place).evaluate(style) == "solid"


def loose(fleet) -> int:
    return sum(
        len(fleet.ask("GET", key, "/gremlins")[1]["gremlins"])
        for key in ("order", "inventory", "payment")
    )


@pytest.mark.long
async def test_slow_inventory_is_played_with_next_to_the_story_in_numbers(visit, fleet):
    act_page = await visit("/acts/slow-inventory")
    await act_page.get_by_role("button", name="Begin").click()
    notes = await visit("/acts/slow-inventory/notes")
    await expect(notes.get_by_role("heading", level=1)).to_have_text("The curtain is up")
    overview = await visit("/")
    await expect(overview.locator("#panel-rail")).to_contain_text("Ready")

    await ready(overview).click()
    await expect(overview.locator("#panel-rail")).to_contain_text("A quiet shop")
    assert await framed(overview, "#panel-map")
    await expect(notes.locator(".say")).to_contain_text("Four customers a second")

    await ready(notes).click(timeout=30_000)  # from the presenter's other screen
    await expect(overview.locator("#panel-bar")).to_contain_text("Slow request 3 s")
    await expect(overview.locator("#panel-rail")).to_have_attribute("data-look", "gremlins")
    assert await framed(overview, "#panel-map")

    await ready(overview).wait_for()
    await overview.keyboard.press("PageDown")  # as a clicker does
    await expect(act_page.get_by_role("heading", level=1)).to_have_text("The lights turn red")
    await expect(overview.locator("#node-order")).to_have_class(
        re.compile(r"\bis-failed\b"), timeout=60_000
    )
    for step in ("Orders wait, nothing is lost", "Calm", "Everything settles"):
        await ready(act_page).click(timeout=90_000)
        for page in (notes, act_page):  # a Next that was pressed may stand there for a moment more
            await expect(page.get_by_role("heading", level=1)).to_have_text(step)

    card = act_page.locator(".card")
    await expect(card.get_by_role("heading")).to_have_text(
        "Everything showed as written", timeout=90_000
    )
    figures = await numbers(act_page)
    assert figures["lost"] == figures["charged twice"] == "0"
    assert all(figures[name] != "\u2013" for name in ("red after", "calm after", "settled after"))
    assert loose(fleet) == 0
    # The timeline tells of the same incident with the same number.
    timeline = await visit("/timeline")
    red_after = figures["red after"].split()[0]
    await expect(timeline.locator(".incident").first).to_contain_text(red_after)
    await act_page.get_by_role("button", name="Dismiss").click()
    await expect(overview.locator("#panel-rail")).to_be_hidden()


async def numbers(page: Page) -> dict[str, str]:
    rows = page.locator(".numbers > div")
    return {
        await row.locator("dt").inner_text(): (await row.locator("dd").first.inner_text()).strip()
        for row in await rows.all()
    }


@pytest.mark.long
async def test_an_act_is_played_and_read_without_javascript(visit):
    page = await visit("/acts", java_script_enabled=False)
    await page.get_by_role("link", name="The last units").click()
    await page.get_by_role("button", name="Begin").click()
    end = time.monotonic() + 90
    while not await page.locator(".card").count():
        assert time.monotonic() < end
        if await ready(page).count():
            await ready(page).click()
        await asyncio.sleep(0.3)
        await page.reload()
    assert (await numbers(page))["confirmed"] == "25"
    # On a machine without a core to spare a customer may hear 503 where the act says "sold out".
    await expect(page.locator(".card h2")).to_have_text(re.compile("showed as written"))


@pytest.mark.long  # the runner's own patience is tried in tests/frontend/test_acts_runner.py
async def test_a_closed_browser_leaves_a_calm_shop(visit, fleet):
    page = await visit("/acts/last-units")
    await page.get_by_role("button", name=re.compile("Begin|Play it again")).click()
    for title in ("Twenty-five on the shelf", "A nervous network"):
        await ready(page).click(timeout=60_000)
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    await ready(page).wait_for(timeout=60_000)
    assert loose(fleet) == 2
    await page.context.close()
    closed = time.monotonic()
    while loose(fleet):
        assert time.monotonic() - closed < PATIENCE_S + 15
        await asyncio.sleep(0.5)
    spectator = await visit("/acts/last-units")
    await expect(spectator.locator(".card")).to_contain_text("no word from the presenter's browser")
