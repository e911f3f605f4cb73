"""The page itself: readable in both schemes and on a phone, honest when something is away."""

import pytest
from playwright.async_api import expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="session"),
]
PHONE = {"width": 390, "height": 844}


async def test_the_overview_needs_no_scrolling_on_a_laptop(visit):
    page = await visit()
    assert await page.evaluate("document.documentElement.scrollHeight") <= 900
    for panel in ("lights", "figures", "board", "orders", "proof"):
        box = await page.locator(f"#panel-{panel}").bounding_box()
        assert box["y"] + box["height"] <= 900, panel


async def test_on_a_phone_the_order_is_lights_gremlins_orders_proof(visit):
    page = await visit(viewport=PHONE)
    tops = [
        (await page.locator(f"#panel-{panel}").bounding_box())["y"]
        for panel in ("lights", "board", "orders", "proof")
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


@pytest.mark.long
async def test_presentation_mode_enlarges_by_half_and_hides_the_secondary(visit):
    page = await visit()
    figure = page.locator("#light-order .word")
    before = await figure.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    await page.keyboard.press("s")
    after = await figure.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    assert after == pytest.approx(1.5 * before)
    await expect(page.get_by_label("Share of requests")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1440
    await page.get_by_label("Quantity").evaluate("node => node.focus()")
    await page.get_by_role("button", name="Stage mode").click()
    await expect(page.get_by_label("Share of requests")).to_be_visible()


async def test_typing_an_s_does_not_change_the_mode(visit):
    page = await visit("/gremlins")
    await page.get_by_label("How long").focus()
    await page.keyboard.press("s")
    assert await page.evaluate("document.documentElement.dataset.presentation") is None


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
        await shows("#light-payment", "No signal")
        await shows("#panel-health", "no answer in 1.2 s")
        await shows("#light-inventory", "No signal", there=False)
    finally:
        fleet.resume("payment")
    await shows("#light-payment", "No signal", there=False)


@pytest.mark.long
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
