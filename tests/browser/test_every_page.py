"""Every kind of page: as axe-core reads it (WCAG 2.2 AA and its best practices), in both schemes,
and on every width with nothing pushed out of sight."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.contrasts import SCHEMES, faint
from tests.browser.looks import confirmed_order, flip, no_gremlin
from tests.browser.widths import WIDTHS, crowded
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


class Looks(NamedTuple):
    """In which schemes and widths axe looks and for what, and on which widths words are read."""

    axe: tuple[tuple[str, int, dict[str, object]], ...]
    widths: tuple[int, ...]


# Most of what axe finds depends on neither scheme nor width.
SOME = Looks((("light", 1440, BUT_CONTRAST),), (1440, 390))
ALL = Looks(tuple((scheme, width, WHOLE) for scheme in SCHEMES for width in (1440, 390)), WIDTHS)
LOOKS = pytest.mark.parametrize(
    "looks", [pytest.param(SOME, id="some"), pytest.param(ALL, id="all", marks=pytest.mark.long)]
)
PAGES = [
    "/",
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
    f"/traces/{'ab' * 16}",
]


async def findings(page: Page, place: str, looks: Looks) -> list[str]:
    """What is wrong with the page as it is now: words that are too faint or lie over each other,
    a width that it does not fit on, and what axe finds, with rule, element, and what to do."""
    await page.evaluate(Axe().axe_script)
    found = await crowded(page, place, looks.widths)
    for scheme, width, rules in looks.axe:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 900})
        # Nothing here plays by itself or turns with the screen, which is what is fetched anew for.
        options = {**rules, "resultTypes": ["violations"], "preload": False}
        result = await page.evaluate("(options) => axe.run(document, options)", options)
        found += [
            f"{place}, {scheme}, {width}: {rule['id']}: "
            f"{node['html'][:120]}: {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]
    return found + await faint(page, place)


@LOOKS
async def test_nothing_is_wrong_with_any_page(visit, fleet, looks):
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
    complain(found, "what somebody cannot read or use")


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


@pytest.mark.long
async def test_nothing_is_wrong_with_any_state_of_the_overview(visit, fleet):
    page = await visit()
    found = []
    try:
        for state, reach in STATES.items():
            await page.set_viewport_size({"width": 1440, "height": 900})
            await page.goto("/")
            await reach(page)
            found += await findings(page, state, ALL)
    finally:
        no_gremlin(fleet)
    complain(found, "what somebody cannot read or use")
