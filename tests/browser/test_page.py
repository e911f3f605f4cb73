"""The page itself: readable in both schemes and on a phone, honest when something is away."""

import pytest
from playwright.async_api import expect

from tests.browser.looks import close_drawer, flip, no_gremlin, node, place_order

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
PHONE = {"width": 390, "height": 844}


async def test_the_overview_needs_no_scrolling_on_a_laptop(visit):
    page = await visit()
    for width, height in ((1440, 900), (1280, 720)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollHeight") <= height
        for panel in ("#panel-map", "#panel-figures", "#panel-orders", "#panel-proof", ".charts"):
            box = await page.locator(panel).bounding_box()
            assert box["y"] + box["height"] <= height, (panel, height)


async def test_on_a_phone_the_order_is_map_orders_proof_charts(visit):
    page = await visit(viewport=PHONE)
    tops = [
        (await page.locator(place).bounding_box())["y"]
        for place in ("#panel-map", "#panel-orders", "#panel-proof", ".area-charts")
    ]
    assert tops == sorted(tops)


@pytest.mark.long
async def test_the_scheme_is_chosen_and_remembered(visit):
    page = await visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_role("button", name="Colour scheme").click()
    await page.get_by_role("button", name="Colour scheme").click()
    assert await page.evaluate(ground) != light
    await page.reload()
    assert await page.evaluate(ground) != light


# Words that are smaller than 24 pixels, or cut where they stand; of what can be seen.
TOO_SMALL = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest(".unseen, .skip, script, title, .toast, option, dialog")) continue;
    const size = parseFloat(getComputedStyle(node).fontSize);
    if (size < 24) found.push(`${walker.currentNode.data.trim()}: ${size}`);
    const box = node.closest(".node a, .light");
    if (!box) continue;
    const edge = box.getBoundingClientRect(), range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const word = range.getBoundingClientRect();
    if (word.right > edge.right + 1 || word.bottom > edge.bottom + 1 || word.top < edge.top - 1) {
      found.push(`${walker.currentNode.data.trim()}: cut`);
    }
  }
  return found;
}"""


async def test_presentation_mode_fits_every_projector_with_nothing_small_or_cut(visit, fleet):
    page = await visit()
    for kind, label in (("Slow request", "Inventory"), ("Errors", "Payments")):
        await flip(page, kind, label)
        await expect(page.locator("#panel-bar")).to_contain_text(kind)
    await close_drawer(page)
    await page.keyboard.press("s")
    try:
        for width, height in ((1280, 720), (1440, 900), (1920, 1080)):
            await page.set_viewport_size({"width": width, "height": height})
            size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
            assert await page.evaluate(size) == [width, height]
            assert await page.evaluate(TOO_SMALL) == []
            await expect(page.locator(".light:visible")).to_have_count(2)
            for name in ("Timeline", "Acts"):
                await expect(page.get_by_role("link", name=name)).to_be_visible()
    finally:
        no_gremlin(fleet)
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Quantity")).to_be_visible()


async def test_the_lights_of_presentation_mode_are_chosen_and_remembered(visit):
    page = await visit()
    await node(page, "Wallets").click()
    await page.get_by_role("button", name="second").click()
    await page.reload()
    await page.keyboard.press("s")
    await expect(page.locator("#light-wallet")).to_be_visible()
    await expect(page.locator("#light-order")).to_be_visible()
    await expect(page.locator("#light-inventory")).to_be_hidden()


async def test_typing_an_s_does_not_change_the_mode(visit):
    page = await visit("/processes/payment")
    await page.get_by_label("Payments: how long").focus()
    await page.keyboard.press("s")
    assert await page.evaluate("document.documentElement.dataset.presentation") is None


async def test_a_question_mark_lists_the_keys(visit):
    page = await visit()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("stage mode")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


@pytest.mark.parametrize(
    "scripts", [True, pytest.param(False, marks=[pytest.mark.long])], ids=["with", "without"]
)
async def test_a_service_that_is_down_is_named_in_place_and_comes_back(visit, fleet, scripts):
    page = await visit(java_script_enabled=scripts)

    async def shows(place, text, *, there=True):
        """Wait for it; a page without scripts is loaded again."""
        matching = page.locator(place).filter(has_text=text)
        for _ in range(30):
            if bool(await matching.count()) == there:
                return
            await page.wait_for_timeout(1000)
            if not scripts:
                await page.reload()
        pytest.fail(await page.locator(place).inner_text())

    fleet.pause("payment")
    try:
        await shows("#node-payment", "no answer")
        await shows("#panel-health", "no answer")
        await shows("#node-inventory", "no answer", there=False)
    finally:
        fleet.resume("payment")
    await shows("#node-payment", "no answer", there=False)


@pytest.mark.long
@pytest.mark.unanswered
async def test_a_page_that_has_lost_its_server_does_not_look_alive(visit, fleet):
    page = await visit()
    await expect(page.locator("[data-lost]")).to_be_hidden()
    fleet.pause("dashboard")
    try:
        await expect(page.locator("[data-lost]")).to_be_visible(timeout=30_000)
        await expect(page.locator("[data-lost]")).to_contain_text("does not answer")
    finally:
        fleet.resume("dashboard")
    await expect(page.locator("[data-lost]")).to_be_hidden(timeout=30_000)


@pytest.mark.unanswered
async def test_an_action_that_gets_no_answer_says_so(visit):
    page = await visit()
    toasts = page.locator(".toast", has_text="It is not known whether that was done")
    await page.route("**/actions/order", lambda route: route.abort())
    await place_order(page)
    await expect(toasts).to_have_count(1)
    await page.unroute("**/actions/order")
    # One that is never answered, of which htmx has enough sooner than usual.
    await page.route("**/actions/order", lambda _: None)
    await page.evaluate("htmx.config.defaultTimeout = 50")
    await place_order(page)
    await expect(toasts).to_have_count(2)


async def test_everything_that_can_be_pressed_has_a_name(visit):
    page = await visit()
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select")]
            .filter((each) => each.checkVisibility())
            .filter((each) => !(each.textContent.trim() || each.getAttribute("aria-label")
                || each.labels?.[0]?.textContent.trim()))
            .map((each) => each.outerHTML)"""
    )
    assert nameless == []
    assert "Valerix" in await page.title()
