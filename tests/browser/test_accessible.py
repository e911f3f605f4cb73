"""Every kind of page as axe-core reads it: WCAG 2.2 AA and its best practices, in both schemes."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.contrasts import faint
from tests.browser.looks import confirmed_order, flip, no_gremlin
from tests.tidy.files import complain

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WHOLE = {"runOnly": {"type": "tag", "values": TAGS}}
# As dear as all others together; `faint` is not, and measures every word in both schemes.
BUT_CONTRAST = {**WHOLE, "rules": {"color-contrast": {"enabled": False}}}
Looks = tuple[tuple[str, int, dict[str, object]], ...]
# In which schemes and widths, and what is looked for. Most of it depends on neither.
LOOKS = pytest.mark.parametrize(
    "looks",
    [
        pytest.param((("light", 1440, BUT_CONTRAST),), id="some"),
        pytest.param(
            tuple((scheme, width, WHOLE) for scheme in ("dark", "light") for width in (1440, 390)),
            id="all",
            marks=pytest.mark.long,
        ),
    ],
)
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


async def findings(page: Page, place: str, looks: Looks) -> list[str]:
    """What axe finds where the page is now: rule, element, and what to do about it."""
    await page.evaluate(Axe().axe_script)
    found = []
    for scheme, width, rules in looks:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 900})
        options = {**rules, "resultTypes": ["violations"]}
        result = await page.evaluate("(options) => axe.run(document, options)", options)
        found += [
            f"{place}, {scheme}, {width}: {rule['id']}: "
            f"{node['html'][:120]}: {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]
    return found


@LOOKS
async def test_axe_finds_nothing_on_any_page(visit, fleet, looks):
    page = await visit()
    toast = await confirmed_order(page)
    trace = await toast.locator("a[href^='/traces/']").get_attribute("href")
    order = await toast.locator("a[href^='/orders/']").get_attribute("href")
    # A merchant's, because it has a policy to show, which an order's has not.
    paying = {"request_id": trace, "merchant_id": "m1", "amount": 100, "currency": "USD"}
    paid = await page.request.post(f"{fleet.url('payment')}/process-payment", data=paying)
    payment = (await paid.json())["payment_id"]
    ids = trace.rpartition("/")[2]
    both = f"/traces/compare?a={ids}&b={ids}"
    await page.goto("/reports")
    await page.get_by_role("button", name="Write one now").click()
    await expect(page.locator(".report")).to_be_visible()
    report = urlsplit(page.url).path
    found = []
    for path in (*PAGES, trace, both, order, f"/payments/{payment}", report):
        await page.goto(path)
        found += await findings(page, path, looks)
        found += await faint(page, path)
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


@LOOKS
async def test_axe_finds_nothing_in_any_state_of_the_overview(visit, fleet, looks):
    page = await visit()
    found = []
    try:
        for state, reach in STATES.items():
            await page.set_viewport_size({"width": 1440, "height": 900})
            await page.goto("/")
            await reach(page)
            found += await findings(page, state, looks)
            found += await faint(page, state)
    finally:
        no_gremlin(fleet)
    complain(found, "what axe finds")
