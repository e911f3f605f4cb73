"""Where things stand: nothing covers, cuts or pushes away what a visitor looks at."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.looks import flip, no_gremlin, place_order
from tests.browser.test_page import PHONE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]

OVERLAPS = """([one, others]) => {
  const boxes = (selector) => [...document.querySelectorAll(selector)]
    .filter((each) => each.checkVisibility()).map((each) => each.getBoundingClientRect());
  const mine = boxes(one);
  return others.filter((selector) => boxes(selector).some((theirs) => mine.some((box) =>
    box.left < theirs.right && theirs.left < box.right
    && box.top < theirs.bottom && theirs.top < box.bottom)));
}"""
NEWEST = "#panel-orders tbody tr:nth-child(-n + 3)"


@pytest.fixture(autouse=True)
def calm_afterwards(fleet):
    yield
    no_gremlin(fleet)


@pytest.mark.long
async def test_the_header_is_one_line_whatever_is_red(visit, fleet):
    page = await visit()
    for key in ("inventory", "payment"):
        fleet.pause(key)
    try:
        await expect(page.locator("#panel-health .trouble")).to_have_count(1, timeout=20_000)
        for width in (1200, 1280, 1366, 1440, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            head = await page.locator(".head").bounding_box()
            assert head["height"] < 60, width
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            assert await page.evaluate(OVERLAPS, [".head .health .name", [".head nav"]]) == []
            for name in ("Orders", "Inventory, Payments"):
                # On a small screen its mark stands for it; the list behind the dots has the name.
                place = page.locator("#panel-health .troubled li", has_text=name)
                box = await place.bounding_box()
                assert box["x"] + box["width"] < width, (name, width)
                named = place.locator(".name")
                assert await named.is_visible() or width < 1440, (name, width)
                assert not await named.evaluate("node => node.scrollWidth > node.clientWidth")
        await page.set_viewport_size({"width": 1440, "height": 900})
        for trouble in await page.locator("#panel-health .trouble").all():
            cut = await trouble.evaluate("node => node.scrollWidth > node.clientWidth")
            assert not cut, await trouble.inner_text()
    finally:
        for key in ("inventory", "payment"):
            fleet.resume(key)


async def toasts(page):
    """As many as are shown at once, and an order more than the newest three."""
    for _ in range(3):
        async with page.expect_response("**/actions/order"):
            await place_order(page)
    await flip(page, "Double delivery", "Orders")
    await expect(page.locator(".toast")).to_have_count(3)


@pytest.mark.long
async def test_a_toast_covers_neither_lights_nor_orders_nor_switches(visit):
    page = await visit()
    await toasts(page)
    await expect(page.locator("#panel-orders tbody tr:nth-child(3)")).to_be_visible()
    covered = [NEWEST, ".order-form", ".map", "#drawer", ".bar"]
    assert await page.evaluate(OVERLAPS, [".toast", covered]) == []


async def test_on_a_phone_a_toast_covers_neither_the_button_nor_the_order(visit):
    page = await visit(viewport=PHONE)
    await page.locator(".order-form").scroll_into_view_if_needed()
    await place_order(page)
    await expect(page.locator(".toast")).to_be_visible()
    covered = [".order-form button", "#panel-orders tbody tr:first-child"]
    assert await page.evaluate(OVERLAPS, [".toast", covered]) == []


@pytest.mark.long
async def test_a_product_s_name_is_never_cut_nor_its_stock(visit, fleet):
    page = await visit()
    delivery = {"product_id": "PROD-001", "quantity": 150_000}
    await page.request.post(f"{fleet.urls['inventory']}/inventory/restock", data=delivery)
    shelf = page.get_by_role("combobox", name="Product", exact=True)
    await expect(shelf).to_contain_text(re.compile(r"\d\d\dk left"))
    for number, product in enumerate(("Glass lantern", "Copper kettle", "Walnut clock")):
        await shelf.select_option(index=number)
        # A second press while the first is under way would be dropped.
        async with page.expect_response("**/actions/order"):
            await place_order(page)
        await expect(page.locator("#panel-orders .product").first).to_contain_text(product)
    for width in (390, 1200, 1280, 1440, 1920):
        await page.set_viewport_size({"width": width, "height": 900})
        cut = await page.evaluate(
            """() => [...document.querySelectorAll("#panel-orders .product")]
                .filter((each) => each.scrollWidth > each.clientWidth)
                .map((each) => each.innerText)"""
        )
        assert cut == [], width
        wide = await page.locator("#panel-orders").evaluate("n => n.scrollWidth - n.clientWidth")
        assert wide <= 0, width


# Figures as long as they get, and which of them are too wide for where they stand.
CUT = """() => {
  const numbers = ["88 888", "88 888", "88 199.88 €"];
  const figures = document.querySelectorAll(".figure .big");
  figures.forEach((each, at) => { each.textContent = numbers[at]; });
  return [...document.querySelectorAll(".light .big, .figure .big")]
    .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1)
    .map((each) => each.innerText);
}"""


@pytest.mark.parametrize(
    "path", ["/", pytest.param("/acts/slow-inventory", marks=[pytest.mark.long])]
)
async def test_no_number_outgrows_its_place(visit, path):
    page = await visit(path)
    await expect(page.locator(".figure .big").first).to_be_visible()
    for width in (390, 768, 1200, 1280, 1440, 1920):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate(CUT) == [], width
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


# Words of the map that are cut where they stand, or stand outside of their process.
SPILT = """() => [...document.querySelectorAll(".node .name span, .node .word, .node .figures > *")]
    .filter((each) => each.checkVisibility())
    .filter((each) => {
      const box = each.getBoundingClientRect(), edge = each.closest("a").getBoundingClientRect();
      return box.right > edge.right + 1 || box.bottom > edge.bottom + 1 || box.top < edge.top - 1;
    })
    .map((each) => each.innerText)"""


async def test_no_name_of_the_map_is_cut(visit):
    page = await visit()
    await expect(page.locator("#node-order .word")).to_be_visible()
    for width, height in ((390, 844), (768, 1024), (1280, 720), (1440, 900), (1920, 1080)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(SPILT) == [], width
