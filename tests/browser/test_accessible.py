"""Every kind of page as axe-core reads it: WCAG 2.2 AA and its best practices, in both schemes."""

from collections.abc import Awaitable, Callable

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.looks import confirmed_order, flip, no_gremlin
from tests.tidy.files import complain

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# In the second scheme what depends on colours: the rest has been looked at.
RULES = {
    "light": {"type": "tag", "values": TAGS},
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
PAGES = [
    "/processes/order",
    "/processes/postgres",
    "/gremlins",
    "/traces",
    "/logs",
    "/charts",
    "/events",
    "/events/audit",
    "/timeline",
    "/reports",
    "/load",
    "/acts",
    "/acts/slow-inventory",
    "/acts/slow-inventory/notes",
    "/orders",
    "/payments",
    "/providers",
    "/policies",
    "/wallets",
    "/wallets/alice",
    "/login",
    "/nowhere",
]


async def _findings(page: Page, place: str) -> list[str]:
    """What axe finds where the page is now: rule, element, and what to do about it."""
    await page.evaluate(Axe().axe_script)
    found = []
    for scheme, rules in RULES.items():
        await page.emulate_media(color_scheme=scheme)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        result = await page.evaluate("(options) => axe.run(document, options)", options)
        found += [
            f"{place}, {scheme}: {rule['id']}: {node['html'][:120]}: {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]
    return found


async def test_axe_finds_nothing_on_any_page(visit):
    page = await visit()
    toast = await confirmed_order(page)
    trace = await toast.locator("a[href^='/traces/']").get_attribute("href")
    order = await toast.locator("a[href^='/orders/']").get_attribute("href")
    about = await page.request.get(f"/api/payments?search={order.rpartition('/')[2]}")
    payment = (await about.json())["payments"][0]["payment_id"]
    ids = trace.rpartition("/")[2]
    both = f"/traces/compare?a={ids}&b={ids}"
    found = []
    for path in (*PAGES, trace, both, order, f"/payments/{payment}"):
        await page.goto(path)
        found += await _findings(page, path)
    complain(found, "what axe finds")


async def _drawer(page: Page) -> None:
    await flip(page, "Slow request", "Inventory")
    await expect(page.locator("#panel-bar")).to_contain_text("Slow request")


async def _keys(page: Page) -> None:
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


async def _presentation(page: Page) -> None:
    await page.keyboard.press("s")
    await expect(page.locator(".light:visible")).to_have_count(2)


async def _nothing(page: Page) -> None:
    await expect(page.locator("#panel-map")).to_be_visible()


STATES: dict[str, Callable[[Page], Awaitable[None]]] = {
    "the overview": _nothing,
    "the drawer": _drawer,
    "the list of keys": _keys,
    "stage mode": _presentation,
}


async def test_axe_finds_nothing_in_any_state_of_the_overview(visit, fleet):
    page = await visit()
    found = []
    try:
        for state, reach in STATES.items():
            await page.goto("/")
            await reach(page)
            found += await _findings(page, state)
    finally:
        no_gremlin(fleet)
    complain(found, "what axe finds")
