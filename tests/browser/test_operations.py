"""What an engineer does with a whole `valerix up`, in the browser alone: a slow trace is found
after a restart, a load profile is started, watched, stopped and compared with the last."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.looks import calm, close_drawer, confirmed_order, flip, place_order
from tests.browser.test_every_page import ALL, findings
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop
from tests.tidy.files import complain

pytestmark = [
    needs_embedded,
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="session"),
]
SOON = 60_000


@pytest.fixture(scope="module")
def fleet() -> Iterator[UpShop]:
    """Only a whole shop runs load profiles, and keeps its traces from one start to the next."""
    with tempfile.TemporaryDirectory(prefix="valerix-up-", ignore_cleanup_errors=True) as folder:
        shop = UpShop(Path(folder) / "home", VALERIX_PAYMENT_DECLINE_RATE="0")
        shop.open()
        try:
            yield shop
        finally:
            shop.close()


async def test_the_slowest_trace_with_an_attribute_is_found_after_a_restart(visit, fleet):
    page = await visit()
    await flip(page, "Slow request", "Inventory")
    await expect(page.locator("#panel-bar")).to_contain_text("Slow request", timeout=SOON)
    await close_drawer(page)
    await place_order(page)
    slow = page.locator(".toast", has_text="Order is being processed")
    link = slow.first.locator("a[href^='/traces/']")
    trace = await link.get_attribute("href", timeout=SOON)
    await calm(page)
    await expect(page.locator("#panel-bar")).to_contain_text("No gremlin is loose", timeout=SOON)
    toast = await confirmed_order(page)
    quick = await toast.locator("a[href^='/traces/']").get_attribute("href")
    # What has not arrived when the shop stops is not there afterwards.
    for each in (trace, quick):
        await page.goto(each)
        first = page.locator(".spans > li").first
        await expect(first).to_contain_text("POST /orders", timeout=SOON)
    await page.context.close()

    await asyncio.to_thread(fleet.close)
    await asyncio.to_thread(fleet.open)
    page = await visit()
    await page.get_by_role("link", name="Traces", exact=True).click()
    await page.get_by_role("link", name="Slowest").click()
    await page.get_by_label("Time").select_option("1d")
    await page.get_by_label("Attribute").fill("http.route=/orders")
    await page.get_by_label("Attribute").press("Enter")
    await expect(page).to_have_url(re.compile(r"since=1d.*attribute="))
    found = page.locator(".trace-rows > li")
    await expect(found).to_have_count(2)
    await found.first.locator("a.root").click()
    await expect(page).to_have_url(re.compile(re.escape(trace)))
    await expect(page.locator(".spans > li.is-bitten").first).to_contain_text("latency")


async def test_a_profile_is_started_watched_stopped_and_compared_with_the_last(visit):
    page = await visit()
    await page.get_by_role("link", name="Load", exact=True).click()
    run = page.locator("#panel-load")
    await start(page)
    await expect(run).to_contain_text(re.compile(r"of 15 s, 1 shopper, \d+ answer"), timeout=SOON)
    await expect(run).to_contain_text("the first of its kind")
    await expect(page.locator("#panel-runs tbody tr")).to_have_count(1, timeout=SOON)
    await start(page)
    await expect(run).to_contain_text(re.compile("This run beside the last"), timeout=SOON)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator("#panel-runs tbody tr")).to_have_count(2, timeout=SOON)
    await expect(run).to_contain_text(re.compile(r"smoke, .* beside the last of its kind"))
    await expect(run.get_by_role("row", name="throughput").locator("td")).to_have_count(3)
    await page.get_by_role("button", name="Compare").click()
    await expect(page.get_by_role("row", name="throughput").locator("td")).to_have_count(3)
    complain(await findings(page, "two reports of load", ALL), "what is wrong")
    await page.get_by_role("link", name="smoke").last.click()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    complain(await findings(page, "a report of load", ALL), "what is wrong")


async def start(page):
    """Half of the smallest profile: fifteen seconds of one shopper."""
    await page.get_by_role("combobox", name="Profile").select_option("smoke")
    await page.get_by_role("combobox", name="Time").select_option("0.5")
    await page.get_by_role("button", name="Start").click()
