"""Where gremlins are locked: a wrong token, the right one, and locking again."""

import re

import pytest
from playwright.async_api import expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="session"),
]
TOKEN = "a token for the talk of tonight"
FLEET_KEYS = ("dashboard",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": TOKEN}


@pytest.mark.parametrize(
    "scripts", [True, pytest.param(False, marks=[pytest.mark.long])], ids=["with", "without"]
)
async def test_a_wrong_token_can_be_tried_again_in_place(visit, scripts):
    page = await visit("/gremlins", java_script_enabled=scripts)
    folded = page.locator(".process-faults > summary", has_text="Payments")
    switch = page.get_by_role("switch", name="Errors on Payments")
    await folded.click()
    await expect(switch).to_be_disabled()
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_text("With the operator token").click()
    await page.get_by_label("Operator token").fill("not the token at all")
    await page.get_by_role("button", name="Log in as operator").click()
    await expect(page.get_by_role("alert").first).to_contain_text("not the operator's token")
    # A whole page, with a way to anywhere.
    await expect(page.get_by_role("link", name="Timeline")).to_be_visible()
    await page.get_by_label("Operator token").fill(TOKEN)
    await page.get_by_role("button", name="Log in as operator").click()
    await expect(page).to_have_url(re.compile(r"/gremlins$"))
    await folded.click()
    await expect(switch).to_be_enabled()
    await page.get_by_role("button", name="Log out").click()
    await page.goto("/gremlins")
    await folded.click()
    await expect(switch).to_be_disabled()


@pytest.mark.long
async def test_a_page_that_asks_nothing_is_not_called_lost(visit):
    page = await visit()
    answer = await page.goto("/nowhere")
    assert answer.status == 404
    await expect(page.get_by_role("heading", level=1)).to_have_text("Nothing here")
    await page.wait_for_timeout(14_000)
    await expect(page.locator("[data-lost]")).to_be_hidden()
