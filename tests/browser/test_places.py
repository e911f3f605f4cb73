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
                place = page.locator("#panel-health .name", has_text=name)
                box = await place.bounding_box()
                assert box["x"] + box["width"] < width, (name, width)
                assert not await place.evaluate("node => node.scrollWidth > node.clientWidth")
        await page.set_viewport_size({"width": 1440, "height": 900})
        for trouble in await page.locator("#panel-health .trouble").all():
            cut = await trouble.evaluate("node => node.scrollWidth > node.clientWidth")
            assert not cut, await trouble.inner_text()
    finally:
        for key in ("inventory", "payment"):
            fleet.resume(key)


async def toasts(page):
    """Three of them, as many as are shown at once."""
    for _ in range(2):
        async with page.expect_response("**/actions/order"):
            await place_order(page)
    await flip(page, "Double delivery", "Orders")
    await expect(page.locator(".toast")).to_have_count(3)


@pytest.mark.long
async def test_a_toast_covers_neither_lights_nor_orders_nor_switches(visit):
    page = await visit()
    await toasts(page)
    covered = [NEWEST, ".order-form", ".lights", ".switches", ".bar", ".verdict"]
    assert await page.evaluate(OVERLAPS, [".toast", covered]) == []


@pytest.mark.long
async def test_in_presentation_mode_a_toast_covers_neither_lights_nor_orders_nor_switches(visit):
    page = await visit()
    await page.keyboard.press("s")
    await toasts(page)
    covered = [NEWEST, ".order-form", ".lights", ".switches", ".bar", ".verdict"]
    assert await page.evaluate(OVERLAPS, [".toast", covered]) == []
    box = await page.locator(".toast").first.bounding_box()
    assert 0 < box["x"] < box["x"] + box["width"] <= 1440
    assert 0 < box["y"] < box["y"] + box["height"] <= 900


async def test_on_a_phone_a_toast_covers_neither_the_button_nor_the_order(visit):
    page = await visit(viewport=PHONE)
    await page.locator(".order-form").scroll_into_view_if_needed()
    await place_order(page)
    await expect(page.locator(".toast")).to_be_visible()
    covered = [".order-form .send", "#panel-orders tbody tr:first-child"]
    assert await page.evaluate(OVERLAPS, [".toast", covered]) == []


@pytest.mark.long
async def test_presentation_mode_shows_the_newest_orders_and_escape_leaves_it(visit):
    page = await visit()
    for _ in range(3):
        async with page.expect_response("**/actions/order"):
            await place_order(page)
    await page.keyboard.press("s")
    panel = await page.locator("#panel-orders").bounding_box()
    for number in range(2):
        row = await page.locator("#panel-orders tbody tr").nth(number).bounding_box()
        assert row["y"] >= panel["y"] - 1
        assert row["y"] + row["height"] <= panel["y"] + panel["height"] + 1 <= 901
    await expect(page.get_by_label("Share of requests")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Share of requests")).to_be_visible()
    await page.keyboard.press("Escape")
    assert await page.evaluate("document.documentElement.dataset.presentation") is None


@pytest.mark.long
async def test_a_product_s_name_is_never_cut_nor_its_stock(visit, fleet):
    page = await visit()
    delivery = {"product_id": "PROD-001", "quantity": 150_000}
    await page.request.post(f"{fleet.urls['inventory']}/inventory/restock", data=delivery)
    await expect(page.locator(".tile").first).to_contain_text(re.compile(r"\d\d\d,?\s?\d\d\d left"))
    for product in ("Glass lantern", "Copper kettle", "Walnut clock"):
        await page.get_by_label(product).check(force=True)
        # A second press while the first is under way would be dropped.
        async with page.expect_response("**/actions/order"):
            await place_order(page)
        await expect(page.locator("#panel-orders .product").first).to_contain_text(product)
    for width in (390, 1200, 1280, 1440, 1920):
        await page.set_viewport_size({"width": width, "height": 900})
        cut = await page.evaluate(
            """() => [...document.querySelectorAll("#panel-orders .product, .tile *")]
                .filter((each) => each.scrollWidth > each.clientWidth)
                .map((each) => each.innerText)"""
        )
        assert cut == [], width
        wide = await page.locator("#panel-orders").evaluate("n => n.scrollWidth - n.clientWidth")
        assert wide <= 0, width


# What is too wide for where it stands, among the big numbers.
CUT = """() => [...document.querySelectorAll(".light .big, .figure .big")]
    .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1)
    .map((each) => each.innerText)"""
# As the panels write them, by how long they are.
LARGE = """() => {
  const numbers = [
    ["888", ""], ["88 888", "long"], ["1 199.88", "longer"], ["88 199.88 €", "longest"],
  ];
  for (const each of document.querySelectorAll(".light .big")) each.firstChild.data = "888";
  return numbers.map(([text, size]) => {
    for (const each of document.querySelectorAll(".figure .big")) {
      each.className = `big ${size}`;
      each.textContent = text;
    }
    return (CUT)();
  }).flat();
}""".replace("CUT", CUT)


@pytest.mark.parametrize(
    "path", ["/", pytest.param("/acts/slow-inventory", marks=[pytest.mark.long])]
)
async def test_no_number_outgrows_its_tile(visit, path):
    page = await visit("/")
    async with page.expect_response("**/actions/order"):
        await place_order(page)
    await page.goto(path)
    await expect(page.locator("#light-order .big")).to_be_visible()
    for key in ("", "s"):
        if key:
            await page.keyboard.press(key)
        for width in (390, 768, 1200, 1280, 1440, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate(LARGE) == [], (width, key)
