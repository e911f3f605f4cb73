"""Placing an order: with JavaScript, without it, and with the keyboard alone."""

import json
import re

import pytest
from playwright.async_api import expect

from tests.browser.looks import confirmed_order, node, place_order

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
# Patient services: how an order looks is tested here, not how long it takes on a busy machine.
FLEET_ENVIRON = {
    "VALERIX_PAYMENT_DECLINE_RATE": "0",
    "VALERIX_PEER_DEADLINE_S": "20",
    "VALERIX_REQUEST_BUDGET_S": "50",
    "VALERIX_ORDER_LEASE_S": "60",
}
CONFIRMED = re.compile("Confirmed")


async def test_an_order_appears_in_the_list_without_a_reload(visit):
    page = await visit()
    key = await page.input_value("#order-key")
    toast = await confirmed_order(page)
    await expect(page.locator("#panel-orders tbody tr").first).to_contain_text("Confirmed")
    assert await page.input_value("#order-key") != key
    trace = await toast.locator("a[href^='/traces/']").get_attribute("href")
    assert re.fullmatch("/traces/[0-9a-f]{32}", trace)


async def test_an_order_can_be_placed_and_read_without_javascript(visit):
    page = await visit(java_script_enabled=False)
    await place_order(page)
    assert re.search(r"/orders/[0-9a-f-]{36}$", page.url)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Confirmed")
    await expect(page.locator(".life li").first).to_contain_text("Placed")
    await page.get_by_role("link", name="Overview").click()
    await expect(page.locator("#panel-orders tbody tr").first).to_contain_text("Confirmed")


@pytest.mark.long
async def test_an_order_can_be_placed_with_the_keyboard_alone(visit):
    page = await visit()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "product_id":
            break
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.name") == "quantity"
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.locator(".toast strong")).to_have_text("Order confirmed")
    await expect(page.locator("#panel-orders tbody tr").first).to_contain_text(
        re.compile("2 . Copper kettle")
    )


async def test_sending_the_same_form_twice_orders_once(visit):
    page = await visit(java_script_enabled=False)
    form = {"quantity": "1", "product_id": "PROD-003"}
    form["key"] = await page.input_value("#order-key")
    form["csrf"] = await page.locator(".order-form [name=csrf]").input_value()
    sent = [
        await page.request.post("/do/order", form=form, max_redirects=0, fail_on_status_code=False)
        for _ in range(2)
    ]
    assert [answer.status for answer in sent] == [303, 303]
    assert sent[0].headers["location"] == sent[1].headers["location"]


@pytest.mark.long
async def test_a_refresh_takes_nothing_out_of_the_visitor_s_hand(visit):
    page = await visit()
    await page.get_by_label("Quantity").fill("7")
    await page.locator("#panel-proof summary").first.click()
    await node(page, "Inventory").click()
    slider = page.get_by_label("Slow request on Inventory: delay in milliseconds")
    await slider.fill("4500")
    await page.get_by_role("combobox", name="Product").select_option("PROD-003")
    await page.get_by_label("Quantity").focus()
    async with page.expect_response(re.compile("/panels/faults/inventory")):
        pass
    async with page.expect_response(re.compile("/panels/products")):
        pass
    await page.wait_for_timeout(300)
    assert await page.get_by_label("Quantity").input_value() == "7"
    assert await slider.input_value() == "4500"
    assert await page.locator('output[data-for="delay_latency"]').text_content() == "4.5 s"
    assert await page.locator("#panel-proof details[open]").count() == 1
    assert await page.get_by_role("combobox", name="Product").input_value() == "PROD-003"
    await expect(page.get_by_label("Quantity")).to_be_focused()


@pytest.mark.long
async def test_nothing_moves_when_a_panel_refreshes(visit):
    page = await visit()
    toast = await confirmed_order(page)
    # What was pressed for may move things: its toast and its row are there before it is watched.
    order = await toast.locator("a[href^='/orders/']").get_attribute("href")
    newest = page.locator("#panel-orders tbody tr").first
    await expect(newest.locator(f"a[href='{order}']").first).to_be_visible()
    await page.wait_for_timeout(2500)
    moved = await page.evaluate(
        """() => new Promise((done) => {
            const moved = [];
            new PerformanceObserver((list) => {
                for (const { hadRecentInput, value, sources } of list.getEntries()) {
                    const what = sources.map(({ node, previousRect, currentRect }) =>
                        [node?.outerHTML?.slice(0, 200), previousRect, currentRect]);
                    if (!hadRecentInput && value > 0.0005) moved.push({ value, what });
                }
            }).observe({ type: "layout-shift" });
            setTimeout(() => done(moved), 6000);
        })"""
    )
    assert sum(each["value"] for each in moved) < 0.01, json.dumps(moved)
