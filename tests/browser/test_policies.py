"""Policies in the browser: a draft is checked and tried in place, saved, given to a merchant."""

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_draft_is_checked_tried_saved_and_given_without_a_reload(visit, fleet):
    body = {"request_id": "browser", "merchant_id": "m1", "amount": 100, "currency": "EUR"}
    page = await visit("/policies")
    paid = await page.request.post(f"{fleet.url('payment')}/process-payment", data=body)
    assert paid.status == 200
    draft, result = page.get_by_label("Policy", exact=True), page.locator("#panel-draft")
    await draft.fill("if amuont > 1 then deny")
    await page.get_by_role("button", name="Check").click()
    await expect(result).to_contain_text("line 1, column 4")
    await expect(result.locator("mark")).to_have_text("amuont > 1 then deny")
    await draft.fill("if amount == 100 then skipFallback")
    await page.get_by_role("button", name="What if").click()
    await expect(result).to_contain_text("would change")
    terms = page.locator("#panel-terms")
    least = terms.get_by_label("Minimum of mock")
    await least.fill("0")
    await least.press("Enter")
    await expect(terms).to_contain_text("A whole number, 1 or more.")
    await least.fill("101")
    await least.press("Enter")
    await expect(terms).to_contain_text("would change")
    await expect(least).to_be_focused()
    await page.get_by_role("button", name="Save as a version").click()
    await expect(result).to_contain_text("Saved as version")
    version = await result.locator("[data-copy]").get_attribute("data-copy")
    await expect(page.locator(f"#version-{version}")).to_be_visible()
    await expect(draft).to_have_value("if amount == 100 then skipFallback")
    select = page.get_by_label("Version of m1")
    before = await select.input_value()
    for given in (version, before):
        await select.select_option(given)
        await page.locator("#merchant-m1").get_by_role("button", name="Give").click()
        toast = page.locator(".toast", has_text=given[:8]).first
        await expect(toast).to_contain_text("Policy given")
